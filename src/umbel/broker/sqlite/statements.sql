-- name: publish_one
INSERT INTO message (queue, priority, due, head, body) VALUES (?, ?, ?, ?, ?);

-- name: standing
SELECT adopted, (SELECT value FROM counter WHERE name = 'revocations') FROM consumer WHERE number = ?;

-- name: held
SELECT json_group_array(serial), json_group_array(generation), json_group_array(seq)
FROM message WHERE consumer = ? AND serial BETWEEN ? AND ?;

-- name: all_held
SELECT generation, serial, seq FROM message WHERE consumer = ? ORDER BY serial;

-- name: ack
DELETE FROM message WHERE seq IN (SELECT value FROM json_each(?));

-- name: begin
UPDATE message SET begun = 1 WHERE seq IN (SELECT value FROM json_each(?));

-- name: release
UPDATE message SET consumer = NULL, generation = NULL, serial = NULL, begun = 0, redelivered = 1
WHERE seq IN (SELECT value FROM json_each(?));

-- name: count_loss
UPDATE message
SET losses = losses + 1, history = json_insert(coalesce(history, '[]'), '$[#]', json(?))
WHERE seq = ?;

-- name: to_the_back
UPDATE message SET seq = (SELECT max(seq) + 1 FROM message) WHERE seq = ?;

-- name: park
UPDATE message
SET consumer = NULL, generation = NULL, serial = NULL, begun = 0, due = ?1,
    granted = coalesce(?2, granted), unknown_since = coalesce(unknown_since, ?3)
WHERE seq = ?4;

-- name: bury
INSERT INTO dead (queue, priority, task_id, reason, detail, at, traceback, history, head, body)
SELECT queue, priority,
    CASE WHEN json_valid(CAST(head AS TEXT)) THEN json_extract(CAST(head AS TEXT), '$.headers.id') END,
    ?1, ?2, ?3, ?4, history, head, body
FROM message WHERE seq = ?5;

-- name: next_due
SELECT due FROM message WHERE queue = ? AND due IS NOT NULL ORDER BY due LIMIT 1;

-- name: promote
UPDATE message SET due = NULL
WHERE seq IN (SELECT seq FROM message WHERE queue = ? AND due IS NOT NULL AND due <= ? ORDER BY due LIMIT ?);

-- name: sizes
SELECT json_group_array(seq), json_group_array(size) FROM (
    SELECT seq, length(head) + length(body) AS size
    FROM message WHERE queue = ? AND consumer IS NULL AND due IS NULL
    ORDER BY priority DESC, seq LIMIT ?
);

-- name: contents
SELECT json_group_array(redelivered + 2 * (unknown_since IS NOT NULL OR granted IS NOT NULL)),
    json_group_array(losses), json_group_array(length(head)), json_group_array(length(body)),
    CAST(group_concat(head || body, '') AS BLOB)
FROM (
    SELECT * FROM message WHERE queue = ? AND consumer IS NULL AND due IS NULL
    ORDER BY priority DESC, seq LIMIT ?
);

-- name: times
SELECT unknown_since, granted FROM message WHERE seq = ?;

-- name: mark_claimed
UPDATE message SET consumer = ?1, generation = ?2, serial = ?3 + place.key
FROM json_each(?4) AS place WHERE message.seq = place.value;

-- name: anything
SELECT 1 FROM message WHERE queue = ? AND consumer IS NULL AND due IS NULL LIMIT 1;

-- name: revocations
SELECT value FROM counter WHERE name = 'revocations';

-- name: register
INSERT INTO consumer (id, node, pid, life, width, queues) VALUES (?, ?, ?, ?, ?, ?);

-- name: reregister
UPDATE consumer SET pid = ?, life = ?, width = ?, adopted = 0 WHERE number = ?;

-- name: unregister
DELETE FROM consumer WHERE number = ?;

-- name: consumers
SELECT number, id, pid, life, queues FROM consumer ORDER BY number;

-- name: find_consumer
SELECT number, id, node, pid, width, adopted FROM consumer WHERE id = ?;

-- name: claims_of
SELECT seq, queue, serial, begun, redelivered, losses, unknown_since, granted, head, body
FROM message WHERE consumer = ? ORDER BY serial LIMIT ?;

-- name: count_adopted
UPDATE consumer SET adopted = adopted + ? WHERE number = ?;

-- name: purge
DELETE FROM message WHERE seq IN (
    SELECT seq FROM message WHERE queue = ?1 AND consumer IS NULL AND due IS NULL LIMIT ?2
);

-- name: purge_delayed
DELETE FROM message WHERE seq IN (SELECT seq FROM message WHERE queue = ?1 AND due IS NOT NULL LIMIT ?2);

-- name: first_ready_queue
SELECT min(queue) FROM message WHERE consumer IS NULL AND due IS NULL AND queue > ?;

-- name: first_delayed_queue
SELECT min(queue) FROM message WHERE due IS NOT NULL AND queue > ?;

-- name: first_dead_queue
SELECT min(queue) FROM dead WHERE queue > ?;

-- name: count_ready
SELECT count(*) FROM message WHERE queue = ? AND consumer IS NULL AND due IS NULL;

-- name: count_delayed
SELECT count(*) FROM message WHERE queue = ? AND due IS NOT NULL;

-- name: count_claimed
SELECT queue, count(*) FROM message INDEXED BY claimed WHERE consumer IS NOT NULL GROUP BY queue;

-- name: count_dead
SELECT count(*) FROM dead WHERE queue = ?;

-- name: prune_dead
DELETE FROM dead WHERE number IN (SELECT number FROM dead WHERE at < ? ORDER BY at LIMIT ?);

-- name: prune_dead_surplus
DELETE FROM dead WHERE number IN (
    SELECT number FROM dead ORDER BY number LIMIT min(?1, max(0, (SELECT count(*) FROM dead) - ?2))
);

-- name: prune_revoked
DELETE FROM revoked WHERE task_id IN (SELECT task_id FROM revoked WHERE expires < ? ORDER BY expires LIMIT ?);

-- name: prune_rates
DELETE FROM rate WHERE name IN (SELECT name FROM rate WHERE next < ? LIMIT ?);

-- name: next_slot
SELECT next FROM rate WHERE name = ?;

-- name: set_slot
INSERT INTO rate VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET next = excluded.next;

-- name: revoke
INSERT INTO revoked VALUES (?, ?, ?)
ON CONFLICT (task_id) DO UPDATE
SET terminate = coalesce(excluded.terminate, terminate), expires = max(expires, excluded.expires);

-- name: count_revocation
UPDATE counter SET value = value + 1 WHERE name = 'revocations' RETURNING value;

-- name: revoked
SELECT task_id, terminate FROM revoked WHERE expires >= ?;

-- name: dead_newest
SELECT number, queue, reason, detail, at, history, traceback, head, body FROM dead
WHERE at >= ? ORDER BY number DESC LIMIT ?;

-- name: dead_named
SELECT number, queue, reason, detail, at, history, traceback, head, body FROM dead
WHERE at >= ?1 AND (number IN (SELECT value FROM json_each(?2)) OR task_id IN (SELECT value FROM json_each(?3)))
ORDER BY number DESC LIMIT ?4;

-- name: revive
INSERT INTO message (queue, priority, redelivered, head, body)
SELECT queue, priority, 0, head, body FROM dead
WHERE number IN (SELECT value FROM json_each(?1)) OR task_id IN (SELECT value FROM json_each(?2)) ORDER BY number;

-- name: discard
DELETE FROM dead
WHERE number IN (SELECT value FROM json_each(?1)) OR task_id IN (SELECT value FROM json_each(?2));
