"""Loans, kept in SQLite: tasks that share a base class with a connection, opened when first used."""

import sqlite3

from celery import Task, shared_task


class Ledger(Task):
    """A task with ``self.db``; what it leaves open is closed when it has ended, well or not."""

    _db = None

    @property
    def db(self):
        if self._db is None:
            self._db = sqlite3.connect("loans.sqlite3", timeout=30)
            self._db.execute("CREATE TABLE IF NOT EXISTS loans (reader TEXT, title TEXT)")
        return self._db

    def after_return(self, status, retval, task_id, args, kwargs, einfo):
        if self._db is not None:
            self._db.close()
            self._db = None


@shared_task(base=Ledger, bind=True)
def lend(self, reader, title):
    """Note a loan; how many there are now of this reader."""
    with self.db:
        self.db.execute("INSERT INTO loans VALUES (?, ?)", (reader, title))
    return self.db.execute("SELECT count(*) FROM loans WHERE reader = ?", (reader,)).fetchone()[0]


@shared_task(base=Ledger, bind=True)
def count(self, where):
    """All loans."""
    return where, self.db.execute("SELECT count(*) FROM loans").fetchone()[0]


@shared_task(bind=True)
def close_month(self):
    """Runs where its route says."""
    return self.request.delivery_info["routing_key"]


@shared_task
def lose(title):
    """A book that is not to be found."""
    raise LookupError(title)
