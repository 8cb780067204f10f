"""Stamps: headers that a call and all that belongs to it carry, set on signatures before they are called.

Stamps are options of a signature; ``stamped_headers`` lists their names. Nothing is called here.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from umbel.core.signature import listed

if TYPE_CHECKING:
    from umbel.app.signature import Signature

_NAMES = "stamped_headers"


class StampingVisitor(ABC):
    """Says what stamps each signature gets. Each method returns stamps by name; ``stamped_headers`` may list which
    of them travel as stamps (default: all). ``headers`` are the stamps that come from around it.
    """

    @abstractmethod
    def on_signature(self, sig: "Signature[Any]", **headers: Any) -> dict[str, Any]:
        """For every call of one task."""

    def on_group_start(self, group: Any, **headers: Any) -> dict[str, Any]:
        """For a group and its members."""
        return {}

    def on_group_end(self, group: Any, **headers: Any) -> None:  # noqa: B027  a place for overriding
        """After the members of a group."""

    def on_chain_start(self, chain: Any, **headers: Any) -> dict[str, Any]:
        """For a chain and its steps."""
        return {}

    def on_chain_end(self, chain: Any, **headers: Any) -> None:  # noqa: B027  a place for overriding
        """After the steps of a chain."""

    def on_chord_header_start(self, chord: Any, **header: Any) -> dict[str, Any]:
        """For the header of a chord: as for a group."""
        return self.on_group_start(chord.header, **header)

    def on_chord_header_end(self, chord: Any, **header: Any) -> None:
        """After the header of a chord."""
        self.on_group_end(chord.header, **header)

    def on_chord_body(self, chord: Any, **header: Any) -> dict[str, Any]:
        """For the body of a chord."""
        return {}

    def on_callback(self, callback: "Signature[Any]", **header: Any) -> dict[str, Any]:
        """For a callback."""
        return {}

    def on_errback(self, errback: "Signature[Any]", **header: Any) -> dict[str, Any]:
        """For an errback."""
        return {}


def stamp(sig: "Signature[Any]", visitor: StampingVisitor | None, headers: Mapping[str, Any], *, append: bool) -> None:
    """Put stamps on the call of one task, and on its callbacks and errbacks."""
    stamp_links(sig, visitor, headers, append=append)
    said = visitor.on_signature(sig, **headers) if visitor is not None else None
    sig.options.update(_over(sig.options, around(headers, said, append=append), append=append))


def stamp_links(
    sig: "Signature[Any]", visitor: StampingVisitor | None, headers: Mapping[str, Any], *, append: bool
) -> None:
    """Put stamps on callbacks and errbacks."""
    for option, ask in (
        ("link", visitor.on_callback if visitor is not None else None),
        ("link_error", visitor.on_errback if visitor is not None else None),
    ):
        linked = sig.links_of(option)
        for one in linked:
            one.stamp(visitor, append, **around(headers, ask(one, **headers) if ask else None, append=append))
        if linked:
            sig.options[option] = linked


def around(headers: Mapping[str, Any], said: Mapping[str, Any] | None, *, append: bool) -> dict[str, Any]:
    """The stamps that come from outside, with what a visitor adds: what all that is inside gets."""
    together = _named(headers)
    return together if not said else _over(together, _named(said), append=append)


def _named(headers: Mapping[str, Any]) -> dict[str, Any]:
    names = headers.get(_NAMES)
    return {**headers, _NAMES: [name for name in headers if name != _NAMES] if names is None else list(names)}


def _over(own: Mapping[str, Any], given: Mapping[str, Any], *, append: bool) -> dict[str, Any]:
    """``given`` over the stamps of ``own``; with ``append``, several values of a name are kept, new ones first."""
    names = list(dict.fromkeys([*listed(own.get(_NAMES)), *listed(given.get(_NAMES))]))
    merged = {name: own[name] for name in names if name in own}
    for name, value in given.items():
        if name == _NAMES:
            continue
        if append and name in merged and merged[name] != value:
            merged[name] = [*_several(value), *(one for one in _several(merged[name]) if one not in _several(value))]
        else:
            merged[name] = value
    return {**merged, _NAMES: names}


def _several(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple | set | frozenset) else [value]
