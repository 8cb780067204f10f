"""A TCP proxy of ours in front of a server: it cuts at random bytes, delays, drops, and can lead elsewhere."""

import asyncio
import random
import threading
from types import TracebackType

_CHUNK = 1 << 16


class Proxy:
    """Listens on ``port`` until its ``with`` block ends. ``cuts`` counts by direction, ``"up"`` to the server."""

    host = "127.0.0.1"

    def __init__(self, port: int, dice: random.Random | None = None) -> None:
        self.target = port
        self.cuts = {"up": 0, "down": 0}
        self.port = 0
        self.delay = 0.0
        """Seconds that everything takes longer, in both directions."""
        self.drops = False
        """Whether what comes is thrown away: connections stay, nothing is answered, and they are cut off at last."""
        self._dice = dice or random.Random()
        self._left = 0
        self._ways: tuple[str, ...] = ("up", "down")
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)
        self._listening = threading.Event()
        self._pumps: set[asyncio.Task[None]] = set()

    def url(self, db: int = 0) -> str:
        """Where to find the server through this proxy."""
        return f"redis://{self.host}:{self.port}/{db}"

    def cut(self, times: int, *ways: str) -> None:
        """Cut so often from now on: each connection after some bytes, 3 to 5,000, in this direction.

        Where both are allowed each connection has one of its own: else hardly any would ever get through its greeting.
        """
        self._ways = ways or ("up", "down")
        self._left = times

    def lead(self, port: int) -> None:
        """From now on to that server: connections to the old one are closed, as with an address that moves."""
        self.target = port
        self._loop.call_soon_threadsafe(lambda: [pump.cancel() for pump in self._pumps])

    @property
    def cutting(self) -> bool:
        """Whether there is still something to cut."""
        return self._left > 0

    def __enter__(self) -> "Proxy":
        self._thread.start()
        self._listening.wait()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join()

    async def _serve(self) -> None:
        self._loop, self._over = asyncio.get_running_loop(), asyncio.Event()
        server = await asyncio.start_server(self._accepted, self.host, 0)
        self.port = server.sockets[0].getsockname()[1]
        self._listening.set()
        await self._over.wait()
        server.close()
        for pump in list(self._pumps):
            pump.cancel()
        await asyncio.gather(*self._pumps, return_exceptions=True)

    async def _accepted(self, near: asyncio.StreamReader, answer: asyncio.StreamWriter) -> None:
        try:
            far, ask = await asyncio.open_connection(self.host, self.target)
        except OSError:
            answer.transport.abort()
            return
        ends = (answer.transport, ask.transport)
        weak = self._dice.choice(("up", "down"))
        for way, reader, writer in (("up", near, ask), ("down", far, answer)):
            pump = asyncio.ensure_future(self._pump(way, weak, reader, writer, ends))
            self._pumps.add(pump)
            pump.add_done_callback(self._pumps.discard)

    async def _pump(
        self,
        way: str,
        weak: str,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        ends: tuple[asyncio.BaseTransport, ...],
    ) -> None:
        budget, dropped = self._budget(), False
        try:
            while data := await reader.read(_CHUNK):
                if self._left > 0 and (self._ways == (way,) or (len(self._ways) > 1 and way == weak)):
                    if len(data) >= budget:
                        self._left -= 1
                        self.cuts[way] += 1
                        writer.write(data[:budget])
                        return
                    budget -= len(data)
                if self.delay:
                    await asyncio.sleep(self.delay)
                if self.drops:
                    dropped = True
                    continue
                if dropped:
                    return  # what follows a gap makes no sense
                writer.write(data)
                await writer.drain()
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            for end in ends:
                end.close()

    def _budget(self) -> int:
        return int(10 ** self._dice.uniform(0.5, 3.7))
