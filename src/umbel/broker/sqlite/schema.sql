-- Everything that waits or is claimed. seq is its place in the queue; a claim is a row with a consumer.
CREATE TABLE message (
    seq INTEGER PRIMARY KEY,
    queue TEXT NOT NULL,
    priority INTEGER NOT NULL,
    due REAL,
    consumer INTEGER,
    generation INTEGER,
    serial INTEGER,
    begun INTEGER NOT NULL DEFAULT 0,
    redelivered INTEGER NOT NULL DEFAULT 0,
    losses INTEGER NOT NULL DEFAULT 0,
    history TEXT,
    unknown_since REAL,
    granted REAL,
    head BLOB NOT NULL,
    body BLOB NOT NULL
);

CREATE INDEX ready ON message (queue, priority DESC, seq) WHERE consumer IS NULL AND due IS NULL;

CREATE INDEX delayed ON message (queue, due) WHERE due IS NOT NULL;

CREATE UNIQUE INDEX claimed ON message (consumer, serial, generation) WHERE consumer IS NOT NULL;

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
