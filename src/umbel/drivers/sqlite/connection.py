"""A connection that closes itself when nobody has it any more."""

import sqlite3
from contextlib import suppress


class Connection(sqlite3.Connection):
    """As ``sqlite3``'s, which does the same but warns of it from Python 3.13 on. Threads and apps may just go away."""

    def __del__(self) -> None:
        with suppress(sqlite3.ProgrammingError):  # it was never opened
            self.close()
