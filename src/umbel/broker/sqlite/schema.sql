-- A message is written once and deleted once. seq is its place in its queue. Where it is now is a small row beside it,
-- in exactly one of ready, delayed and claim, so that moving a message never rewrites it.
CREATE TABLE message (
    seq INTEGER PRIMARY KEY,
    queue TEXT NOT NULL,
    priority INTEGER NOT NULL,
    head BLOB NOT NULL,
    body BLOB NOT NULL
);

CREATE TABLE ready (
    queue TEXT NOT NULL,
    priority INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    PRIMARY KEY (queue, priority DESC, seq)
) WITHOUT ROWID;

CREATE TABLE delayed (
    queue TEXT NOT NULL,
    due REAL NOT NULL,
    seq INTEGER NOT NULL,
    PRIMARY KEY (queue, due, seq)
) WITHOUT ROWID;

CREATE TABLE claim (
    consumer INTEGER NOT NULL,
    serial INTEGER NOT NULL,
    generation INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    begun INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (consumer, serial)
) WITHOUT ROWID;

-- What happened to a message before, if anything did.
CREATE TABLE past (
    seq INTEGER PRIMARY KEY,
    redelivered INTEGER NOT NULL DEFAULT 0,
    losses INTEGER NOT NULL DEFAULT 0,
    history TEXT,
    unknown_since REAL,
    granted REAL
);

CREATE TRIGGER message_ends AFTER DELETE ON message BEGIN DELETE FROM past WHERE seq = old.seq; END;

-- Whatever is published goes in here: one statement is one message in its queue.
CREATE VIEW outbox AS SELECT queue, priority, NULL AS due, head, body FROM message;

CREATE TRIGGER publish INSTEAD OF INSERT ON outbox BEGIN
    INSERT INTO message (queue, priority, head, body) VALUES (new.queue, new.priority, new.head, new.body);
    INSERT INTO ready SELECT new.queue, new.priority, last_insert_rowid() WHERE new.due IS NULL;
    INSERT INTO delayed SELECT new.queue, new.due, last_insert_rowid() WHERE new.due IS NOT NULL;
END;

-- Who may hold claims. number is never reused; life tells a process from a later one of the same pid.
-- adopted counts the claims that others took over: from the first on this consumer is fenced.
CREATE TABLE consumer (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    node TEXT NOT NULL,
    pid INTEGER,
    life TEXT NOT NULL,
    width INTEGER NOT NULL,
    queues TEXT NOT NULL,
    adopted INTEGER NOT NULL DEFAULT 0
);

CREATE TABLE dead (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    queue TEXT NOT NULL,
    priority INTEGER NOT NULL,
    task_id TEXT,
    reason TEXT NOT NULL,
    detail TEXT NOT NULL,
    at REAL NOT NULL,
    history TEXT,
    traceback TEXT,
    head BLOB NOT NULL,
    body BLOB NOT NULL
);

CREATE INDEX dead_task ON dead (task_id);

CREATE INDEX dead_queue ON dead (queue);

CREATE INDEX dead_at ON dead (at);

CREATE TABLE revoked (
    task_id TEXT PRIMARY KEY,
    terminate TEXT,
    expires REAL NOT NULL
) WITHOUT ROWID;

CREATE INDEX revoked_expires ON revoked (expires);

-- next is the first start time that is still free.
CREATE TABLE rate (
    name TEXT PRIMARY KEY,
    next REAL NOT NULL
) WITHOUT ROWID;

CREATE TABLE counter (
    name TEXT PRIMARY KEY,
    value INTEGER NOT NULL
) WITHOUT ROWID;

INSERT INTO counter VALUES ('revocations', 0);
