"""Celery's ``contrib.rdb``: the debugger of the standard library, by telnet, inside a task.

``CELERY_RDB_HOST`` (127.0.0.1) and ``CELERY_RDB_PORT`` (6899, or the next one that is free) say where it listens.
"""

import os
import socket
import sys
from pdb import Pdb
from types import FrameType
from typing import Any, TextIO

DEFAULT_PORT = 6899
CELERY_RDB_HOST = os.environ.get("CELERY_RDB_HOST") or "127.0.0.1"
CELERY_RDB_PORT = int(os.environ.get("CELERY_RDB_PORT") or DEFAULT_PORT)
_current: "list[Rdb]" = []


class Rdb(Pdb):
    """A debugger that waits until somebody connects. It is made in the process that is debugged."""

    me = "Remote Debugger"

    def __init__(
        self,
        host: str = CELERY_RDB_HOST,
        port: int = CELERY_RDB_PORT,
        port_search_limit: int = 100,
        port_skew: int = 0,
        out: TextIO | None = None,
    ) -> None:
        self.active = True
        self.out = out or sys.__stderr__ or sys.stderr
        self._listening, self.this_port = self.get_avail_port(host, port, port_search_limit, port_skew)
        self.say(f"{self.me}:{self.this_port}: Ready to connect: telnet {host} {self.this_port}")
        self._client, address = self._listening.accept()
        # One for each way: a file for both forgets what it has read ahead when it is written to.
        self._heard, self._said = self._client.makefile("r"), self._client.makefile("w")
        self.say(f"{self.me}:{self.this_port}: Now in session with {address[0]}:{address[1]}.")
        super().__init__(completekey="tab", stdin=self._heard, stdout=self._said)
        self.use_rawinput = False

    def get_avail_port(self, host: str, port: int, search_limit: int = 100, skew: int = 0) -> tuple[socket.socket, int]:
        """A socket that listens at the first free port. Raises ``OSError`` where none of so many is."""
        for number in range(port + skew, port + skew + search_limit):
            listening = socket.socket()
            try:
                listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                listening.bind((host, number))
            except OSError:
                listening.close()
                continue
            listening.listen(1)
            return listening, number
        raise OSError(f"{self.me}: no free port from {port + skew} on; set CELERY_RDB_PORT to another")

    def say(self, m: str) -> None:
        """Tell whoever runs the worker."""
        print(m, file=self.out, flush=True)

    def close_session(self) -> None:
        """Hang up."""
        if not self.active:
            return
        self.active = False
        for one in (self._heard, self._said, self._client, self._listening):
            try:
                one.close()
            except OSError:
                pass  # whoever was there has hung up first
        if self in _current:
            _current.remove(self)
        self.say(f"{self.me}:{self.this_port}: Session ended.")

    def do_continue(self, arg: str) -> Any:
        """Hang up, and let the task go on."""
        self.set_continue()
        self.close_session()
        return True

    do_c = do_cont = do_continue

    def do_quit(self, arg: str) -> Any:
        """Hang up, and end the task."""
        self.set_quit()
        self.close_session()
        return True

    do_q = do_exit = do_quit

    def set_quit(self) -> None:
        """No more tracing."""
        super().set_quit()
        sys.settrace(None)


def debugger() -> Rdb:
    """The debugger that is there, or a new one."""
    if not _current:
        _current.append(Rdb())
    return _current[-1]


def set_trace(frame: FrameType | None = None) -> None:
    """Stop here, and wait until somebody connects."""
    debugger().set_trace(frame or sys._getframe(1))  # noqa: SLF001  the documented way to the caller


__all__ = ["CELERY_RDB_HOST", "CELERY_RDB_PORT", "DEFAULT_PORT", "Rdb", "debugger", "set_trace"]
