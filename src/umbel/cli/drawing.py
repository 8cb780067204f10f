"""A workflow drawn in the terminal: a tree, a line for each task. Draws only; reads nothing."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime

from rich.text import Text
from rich.tree import Tree as Drawn

from umbel.core.joining import Standing
from umbel.core.tree import Node, Phase, Tree

MOST = 12
"""Members of a group that are drawn; of more, those that matter, and how many others there are."""
COLOURS: dict[Phase, str] = {
    "not called": "dim",
    "sent": "yellow",
    "running": "cyan",
    "succeeded": "green",
    "failed": "bold red",
    "never ran": "red",
    "revoked": "magenta",
}
_URGENT: tuple[Phase, ...] = ("failed", "running", "revoked", "never ran", "sent", "not called", "succeeded")


def drawn(tree: Tree, *, everything: bool = False) -> Drawn:
    """The whole workflow. Large groups are drawn in part, unless ``everything``."""
    title = Text.assemble((tree.name, "bold"), "  ", _phase(tree.phase), "  ", (tree.id, "dim"))
    counts = tree.counts()
    told = ", ".join(f"{counts[phase]:,} {phase}" for phase in COLOURS if phase in counts)
    if tree.at is not None:
        called = datetime.fromtimestamp(tree.at, UTC).isoformat(sep=" ", timespec="seconds")
        told = f"called {called.removesuffix('+00:00')} UTC; {told}"
    top = Drawn(Text.assemble(title, "\n", (told, "dim")), guide_style="dim")
    if tree.root.kind == "task":
        _task(top, tree.root, tree.at, everything)
    else:
        _node(top, tree.root, tree.at, everything, "")
    return top


def _node(above: Drawn, node: Node, at: float | None, everything: bool, label: str) -> None:
    match node.kind:
        case "task":
            _task(above, node, at, everything, label)
        case "chain":
            branch = above.add(Text.assemble(label, ("chain", "bold"), "  ", _phase(node.phase)))
            for number, step in enumerate(node.members, 1):
                _node(branch, step, at, everything, f"{number}. ")
        case "group":
            branch = above.add(Text.assemble(label, (_row("group", node), "bold"), "  ", _phase(node.phase)))
            _members(branch, node.members, at, everything)
        case "chord":
            said = Text.assemble(label, (_row("chord", node), "bold"), "  ", _phase(node.phase), _join(node.join))
            branch = above.add(said)
            _members(branch, node.members, at, everything)
            if node.body is not None:
                _node(branch, node.body, at, everything, "then ")
    if node.kind != "task":
        _then(branch, node, at, everything)


def _task(above: Drawn, node: Node, at: float | None, everything: bool, label: str = "") -> None:
    said = Text.assemble(label, (node.name, "bold"), node.call, "  ", _phase(node.phase))
    for word in filter(None, [_time(node.done, at), _times(node.retries), node.worker]):
        said.append(f"  {word}")
    said.append(f"  {node.id}", "dim")
    if node.error and node.phase != "never ran":
        said.append(f"  {node.error}", COLOURS["failed"])
    _then(above.add(said), node, at, everything)


def _then(branch: Drawn, node: Node, at: float | None, everything: bool) -> None:
    for one in node.then:
        _node(branch, one, at, everything, f"{one.how}: " if one.how else "")


def _members(branch: Drawn, members: Sequence[Node], at: float | None, everything: bool) -> None:
    shown: Sequence[int] = range(len(members))
    if len(members) > MOST and not everything:
        urgent = sorted(shown, key=lambda place: (_URGENT.index(members[place].phase), place))
        shown = sorted(urgent[:MOST])
    for place in shown:
        _node(branch, members[place], at, everything, "")
    if left := len(members) - len(shown):
        phases = Counter(members[place].phase for place in set(range(len(members))).difference(shown))
        told = ", ".join(f"{phases[phase]:,} {phase}" for phase in COLOURS if phase in phases)
        branch.add(Text(f"… {left:,} more: {told} (--all draws them)", "dim"))


def _row(kind: str, node: Node) -> str:
    return f"{kind} of {len(node.members):,}"


def _phase(phase: Phase) -> tuple[str, str]:
    return phase, COLOURS[phase]


def _join(join: Standing | None) -> Text:
    """How full a join is. Of one whose body is out, nothing is left to say."""
    if join is None or join.state == "done":
        return Text()
    size = "?" if join.size is None else f"{join.size:,}"
    failed = f", {join.failed:,} failed" if join.failed else ""
    return Text(f"  {join.arrived:,} of {size} parts{failed}")


def _time(done: str | None, at: float | None) -> str | None:
    """When a task's state was stored: seconds since the call, where that is known."""
    if not done:
        return None
    try:
        moment = datetime.fromisoformat(done)
    except ValueError:
        return done
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    if at is None:
        return moment.astimezone(UTC).strftime("%H:%M:%S")
    return f"+{max(0.0, moment.timestamp() - at):.3f} s"


def _times(retries: int | None) -> str | None:
    return f"{retries} retries" if retries else None
