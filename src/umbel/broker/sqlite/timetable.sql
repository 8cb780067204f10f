-- One application's timetable. ends is monotonic time, lease what the leader asked for; forgotten is the highest
-- version of a deleted entry whose name is not kept any more.
CREATE TABLE book (
    name TEXT PRIMARY KEY,
    version INTEGER NOT NULL DEFAULT 0,
    forgotten INTEGER NOT NULL DEFAULT 0,
    beat TEXT NOT NULL DEFAULT '',
    epoch INTEGER NOT NULL DEFAULT 0,
    ends REAL NOT NULL DEFAULT 0,
    lease REAL NOT NULL DEFAULT 0
) WITHOUT ROWID;

-- data is NULL where the entry was deleted.
CREATE TABLE entry (
    book TEXT NOT NULL,
    name TEXT NOT NULL,
    version INTEGER NOT NULL,
    data BLOB,
    PRIMARY KEY (book, name)
) WITHOUT ROWID;

CREATE INDEX entry_version ON entry (book, version);

CREATE INDEX entry_dropped ON entry (book, version) WHERE data IS NULL;

CREATE TABLE mark (
    book TEXT NOT NULL,
    name TEXT NOT NULL,
    last REAL NOT NULL,
    runs INTEGER NOT NULL,
    PRIMARY KEY (book, name)
) WITHOUT ROWID;
