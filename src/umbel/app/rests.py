"""What messages only name, read from where it is kept: bodies of chords, rests of chains. Changes nothing."""

from collections.abc import Mapping, Sequence
from typing import Any

from umbel.core.message import Embed
from umbel.core.resting import block_of, is_kept
from umbel.core.signature import Signature, having
from umbel.result.base import Joins, Store
from umbel.wire import parts


class Rests:
    """Reads from one store, each thing once. What is gone stays as the message names it."""

    def __init__(self, store: Store, joins: Joins | None) -> None:
        self._store = store
        self._joins = joins
        self._bodies: dict[str, Any] = {}

    async def embed(self, embed: Embed, group: str | None) -> Embed:
        """What follows a member of ``group``, whole."""
        chord = None if embed.chord is None else await self._chord(embed.chord, group)
        return Embed(embed.callbacks, embed.errbacks, await self._chain(embed.chain), chord)

    async def _chain(self, chain: Sequence[Signature] | None) -> list[Any] | None:
        if not chain:
            return None
        links = list(chain)
        while (block := block_of(links[:1])) is not None:
            record = (await self._store.read([block], sure=True)).get(block)
            if record is None or not record.result:
                break
            links = [*record.result, *links[1:]]
        return [await self._whole(link) for link in links]

    async def _chord(self, body: Signature, group: str | None) -> dict[str, Any]:
        if not is_kept(body) or group is None or self._joins is None:
            return await self._whole(body)
        if group not in self._bodies:
            self._bodies[group] = dict(body)
            kept = parts.decode_body((await self._joins.bodies([group])).get(group))
            if kept is not None:
                self._bodies[group] = await self._whole(kept)
        found: dict[str, Any] = self._bodies[group]
        return found

    async def _whole(self, signature: Signature) -> dict[str, Any]:
        options, inside = dict(signature.get("options") or {}), dict(signature.get("kwargs") or {})
        if options.get("chord"):
            options["chord"] = await self._chord(options["chord"], options.get("group_id"))
        if options.get("chain"):
            options["chain"] = await self._chain(options["chain"])
        if signature.get("subtask_type") in ("chain", "group", "chord"):
            for name in ("tasks", "header"):
                if isinstance(inside.get(name), list):
                    inside[name] = [await self._whole(one) for one in inside[name]]
            for name in ("header", "body"):
                if isinstance(inside.get(name), Mapping):
                    inside[name] = await self._whole(inside[name])
        return having(signature, options, **inside)
