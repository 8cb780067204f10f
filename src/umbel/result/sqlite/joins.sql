-- What is kept of chords. A part counts once; a successful one replaces a failed one of the same task and place.

CREATE TABLE chord (
    id TEXT PRIMARY KEY,
    size INTEGER,
    extra INTEGER NOT NULL DEFAULT 0,
    state TEXT NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'failed', 'done')),
    parts INTEGER NOT NULL DEFAULT 0,
    bad INTEGER NOT NULL DEFAULT 0,
    claim TEXT,
    claimed REAL NOT NULL DEFAULT 0,
    expires REAL
) WITHOUT ROWID;

CREATE INDEX chord_expires ON chord (expires) WHERE expires IS NOT NULL;

-- Apart, because they may be large and the counts change often.
CREATE TABLE chord_kept (id TEXT PRIMARY KEY, shape BLOB, body BLOB NOT NULL DEFAULT x'') WITHOUT ROWID;

CREATE TABLE chord_part (
    chord TEXT NOT NULL,
    place INTEGER NOT NULL,
    task_id TEXT NOT NULL,
    good INTEGER NOT NULL,
    data BLOB NOT NULL,
    PRIMARY KEY (chord, place, task_id)
) WITHOUT ROWID;

CREATE TRIGGER chord_part_added AFTER INSERT ON chord_part BEGIN
    UPDATE chord SET parts = parts + 1, bad = bad + 1 - new.good WHERE id = new.chord;
END;

CREATE TRIGGER chord_part_mended AFTER UPDATE ON chord_part BEGIN
    UPDATE chord SET bad = bad + old.good - new.good WHERE id = new.chord;
END;
