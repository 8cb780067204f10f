-- name: publish_one
INSERT INTO outbox (queue, priority, due, head, body) VALUES (?, ?, ?, ?, ?);

-- name: standing
SELECT adopted, (SELECT value FROM counter WHERE name = 'revocations') FROM consumer WHERE number = ?;

-- name: held
SELECT json_group_array(serial), json_group_array(generation), json_group_array(seq)
FROM claim WHERE consumer = ? AND serial BETWEEN ? AND ?;

-- name: all_held
SELECT generation, serial, seq FROM claim WHERE consumer = ? ORDER BY serial;

-- name: unclaim
DELETE FROM claim WHERE consumer = ? AND serial IN (SELECT value FROM json_each(?));

-- name: unclaim_range
DELETE FROM claim WHERE consumer = ? AND serial BETWEEN ? AND ?;

-- name: delete_message_range
DELETE FROM message WHERE seq BETWEEN ? AND ?;

-- name: delete_messages
DELETE FROM message WHERE seq IN (SELECT value FROM json_each(?));

-- name: begin
UPDATE claim SET begun = 1 WHERE consumer = ? AND serial IN (SELECT value FROM json_each(?));

-- name: make_ready
INSERT INTO ready SELECT queue, priority, seq FROM message WHERE seq IN (SELECT value FROM json_each(?));

-- name: mark_redelivered
INSERT INTO past (seq, redelivered) SELECT value, 1 FROM json_each(?) WHERE true
ON CONFLICT (seq) DO UPDATE SET redelivered = 1;

-- name: count_loss
INSERT INTO past (seq, losses, history) VALUES (?1, 1, json_array(json(?2)))
ON CONFLICT (seq) DO UPDATE
SET losses = losses + 1, history = json_insert(coalesce(history, '[]'), '$[#]', json(?2));

-- name: last_place
SELECT max(seq) FROM message;

-- name: move_message
UPDATE message SET seq = ? WHERE seq = ?;

-- name: move_past
UPDATE past SET seq = ? WHERE seq = ?;

-- name: park
INSERT INTO delayed SELECT queue, ?, seq FROM message WHERE seq = ?;

-- name: note_times
INSERT INTO past (seq, granted, unknown_since) VALUES (?, ?, ?)
ON CONFLICT (seq) DO UPDATE SET
    granted = coalesce(excluded.granted, granted), unknown_since = coalesce(unknown_since, excluded.unknown_since);

-- name: bury
INSERT INTO dead (queue, priority, task_id, reason, detail, at, traceback, history, head, body)
SELECT queue, priority,
    CASE WHEN json_valid(CAST(head AS TEXT)) THEN json_extract(CAST(head AS TEXT), '$.headers.id') END,
    ?1, ?2, ?3, ?4, history, head, body
FROM message LEFT JOIN past USING (seq) WHERE message.seq = ?5;

-- name: next_due
SELECT due FROM delayed WHERE queue = ? ORDER BY due LIMIT 1;

-- name: first_delayed
SELECT json_group_array(seq), max(due) FROM (
    SELECT seq, due FROM delayed WHERE queue = ? AND due <= ? ORDER BY due LIMIT ?
);

-- name: take_delayed
DELETE FROM delayed WHERE queue = ? AND due <= ? AND seq IN (SELECT value FROM json_each(?));

-- name: first_ready
SELECT json_group_array(seq), json_group_array(priority), json_group_array(size) FROM (
    SELECT ready.seq, ready.priority, length(head) + length(body) AS size
    FROM ready CROSS JOIN message ON message.seq = ready.seq
    WHERE ready.queue = ? ORDER BY ready.priority DESC, ready.seq LIMIT ?
);

-- name: take_ready
DELETE FROM ready WHERE queue = ? AND priority = ? AND seq <= ?;

-- name: claim
INSERT INTO claim (consumer, serial, generation, seq) SELECT ?1, ?2 + key, ?3, value FROM json_each(?4);

-- name: contents
SELECT json_group_array(mark), json_group_array(losses), json_group_array(length(head)),
    json_group_array(length(body)), CAST(group_concat(head || body, '') AS BLOB)
FROM (
    SELECT coalesce(redelivered + 2 * (unknown_since IS NOT NULL OR granted IS NOT NULL), 0) AS mark,
        coalesce(losses, 0) AS losses, head, body
    FROM claim CROSS JOIN message ON message.seq = claim.seq LEFT JOIN past ON past.seq = claim.seq
    WHERE consumer = ? AND serial >= ? ORDER BY serial
);

-- name: times
SELECT unknown_since, granted FROM past WHERE seq = ?;

-- name: anything
SELECT 1 FROM ready WHERE queue = ? LIMIT 1;

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

-- name: members
SELECT id, node, pid, life, width, queues, (SELECT count(*) FROM claim WHERE claim.consumer = consumer.number)
FROM consumer ORDER BY number;

-- name: find_consumer
SELECT number, id, node, pid, width, adopted FROM consumer WHERE id = ?;

-- name: claims_of
SELECT message.seq, queue, serial, begun, coalesce(redelivered, 0), coalesce(losses, 0), unknown_since, granted, head, body
FROM claim CROSS JOIN message ON message.seq = claim.seq LEFT JOIN past ON past.seq = claim.seq
WHERE consumer = ? ORDER BY serial LIMIT ?;

-- name: count_adopted
UPDATE consumer SET adopted = adopted + ? WHERE number = ?;

-- name: adopt
UPDATE claim SET consumer = ?, generation = ?, serial = ? WHERE consumer = ? AND serial = ?;

-- name: first_ready_queue
SELECT min(queue) FROM ready WHERE queue > ?;

-- name: first_delayed_queue
SELECT min(queue) FROM delayed WHERE queue > ?;

-- name: first_dead_queue
SELECT min(queue) FROM dead WHERE queue > ?;

-- name: count_ready
SELECT count(*) FROM ready WHERE queue = ?;

-- name: count_delayed
SELECT count(*) FROM delayed WHERE queue = ?;

-- name: count_claimed
SELECT queue, count(*) FROM claim CROSS JOIN message ON message.seq = claim.seq GROUP BY queue;

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

-- name: pardon
DELETE FROM revoked WHERE task_id = ?;

-- name: count_revocation
UPDATE counter SET value = value + 1 WHERE name = 'revocations';

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
INSERT INTO outbox (queue, priority, due, head, body)
SELECT queue, priority, NULL, head, body FROM dead
WHERE number IN (SELECT value FROM json_each(?1)) OR task_id IN (SELECT value FROM json_each(?2)) ORDER BY number;

-- name: discard
DELETE FROM dead
WHERE number IN (SELECT value FROM json_each(?1)) OR task_id IN (SELECT value FROM json_each(?2));
