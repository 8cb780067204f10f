"""Which known name a mistyped one probably meant. Pure."""

from collections.abc import Iterable


def advice(name: str, known: Iterable[str]) -> str:
    """``"; did you mean 'x'?"`` for the known name within two letters of ``name``, or nothing."""
    found = nearest(name, known)
    return f"; did you mean {found!r}?" if found else ""


def nearest(name: str, known: Iterable[str], *, within: int = 2) -> str | None:
    """The known name that is the fewest letters away (typed, left out, changed, swapped), at most ``within``."""
    best, least = None, within + 1
    for candidate in known:
        if candidate != name and abs(len(candidate) - len(name)) < least:
            away = distance(name, candidate)
            if away < least:
                best, least = candidate, away
    return best


def distance(a: str, b: str) -> int:
    """Edits from ``a`` to ``b``, a swap of neighbours being one (optimal string alignment)."""
    rows = [list(range(len(b) + 1))]
    for i, x in enumerate(a, 1):
        row = [i]
        for j, y in enumerate(b, 1):
            cost = min(rows[i - 1][j] + 1, row[j - 1] + 1, rows[i - 1][j - 1] + (x != y))
            if i > 1 and j > 1 and x == b[j - 2] and a[i - 2] == y:
                cost = min(cost, rows[i - 2][j - 2] + 1)
            row.append(cost)
        rows.append(row)
    return rows[-1][-1]
