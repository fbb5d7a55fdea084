package postgres

import (
	"strconv"
	"strings"
	"time"
)

// statements are the SQL of the driver, with qualified names. Each is one statement, so that it can
// be part of a pipeline. $1 is the queue or the session.
type statements struct {
	// publishing
	publishOne            string // one message without a unique key
	publish, publishKeyed string // with arrays
	values, valuesKeyed   string // with a list of values in place of {values}

	publishLocked, valuesLocked string // likewise, with a column more

	// a session
	open, wake, claim, alive                string
	lockClaims, claimInOrder                string
	ack, giveBack, bury, giveBackAll, close string
	renew, kill, takeOver, orphans, forget  string
	sleep, due, expireKeys, vacuum          string

	// jobs that are done
	firstDone, isDone, expireDone string

	// an operator
	backlog, inspect, queues    string
	peek                        string
	lastLetter, letters         string
	redriveLetter, removeLetter string
	redriveLocked               string
	remove                      removals
}

// newStatements returns the statements for a schema, and a window of unique keys.
func newStatements(schema string, unique time.Duration) *statements {
	s := func(text string) string {
		text = strings.ReplaceAll(text, "{window}", strconv.FormatInt(unique.Microseconds(), 10))
		text = strings.ReplaceAll(text, "{alive}",
			"EXISTS (SELECT FROM {}.session WHERE id = $1 AND NOT dead AND lease > now())")
		return strings.ReplaceAll(text, "{}", schema)
	}
	arrays := func(text string) string { return s(strings.ReplaceAll(text, "{source}", publishArrays)) }
	values := func(text string) string { return s(strings.ReplaceAll(text, "{source}", publishValues)) }
	return &statements{
		publishOne: s(publishOne),
		publish:    arrays(publish), publishKeyed: arrays(publishKeyed),
		values: values(publish), valuesKeyed: values(publishKeyed),
		publishLocked: s(strings.ReplaceAll(publishLocked, "{source}", lockedArrays)),
		valuesLocked:  s(strings.ReplaceAll(publishLocked, "{source}", lockedValues)),
		open:          s(openSession), wake: `SELECT pg_notify($1, $2)`, alive: s(`SELECT {alive}`),
		claim:      s(claimOf(skipLocked)),
		lockClaims: s(lockClaims), claimInOrder: s(claimOf(unlessGroupHeld)),
		ack: s(ack), giveBack: s(giveBack), bury: s(bury), giveBackAll: s(giveBackAll),
		close: s(`DELETE FROM {}.session WHERE id = $1`),
		kill:  s(`UPDATE {}.session SET dead = true WHERE id = ANY($1::bigint[]) AND NOT dead`),
		renew: s(renew), takeOver: s(takeOver), orphans: s(orphans), forget: s(forget),
		sleep: s(`UPDATE {}.session SET sleeping = $2 WHERE id = $1`), due: s(due), expireKeys: s(expireKeys),
		vacuum:    s(`VACUUM (SKIP_LOCKED, TRUNCATE OFF, PARALLEL 0) {}.job`),
		firstDone: s(firstDone), isDone: s(isDone), expireDone: s(expireDone),
		backlog: s(backlog), inspect: s(inspect), queues: s(queues), peek: s(peek),
		lastLetter: s(`SELECT coalesce(max(number), 0) FROM {}.letter WHERE queue = $1`), letters: s(letters),
		redriveLetter: s(strings.ReplaceAll(redriveLetter, "{taken}", "")), removeLetter: s(removeLetter),
		redriveLocked: s(strings.ReplaceAll(redriveLetter, "{taken}", unlessLocked)),
		remove:        newRemovals(s),
	}
}

// The source of messages to publish: arrays, or rows of values, which any driver of database/sql
// can pass.
const (
	messageColumns = `m(priority, not_before, attempt, published, message_id, content_type, headers, body, key, n)`

	publishArrays = `SELECT * FROM unnest($3::smallint[], $4::timestamptz[], $5::int[], $6::timestamptz[], $7::text[],
		$8::text[], $9::text[], $10::bytea[], $11::bytea[]) WITH ORDINALITY AS ` + messageColumns
	publishValues = `SELECT * FROM (VALUES {values}) AS ` + messageColumns

	lockedColumns = `m(priority, not_before, attempt, published, message_id, content_type, headers, body, key,
		lock_key, n)`

	lockedArrays = `SELECT * FROM unnest($3::smallint[], $4::timestamptz[], $5::int[], $6::timestamptz[], $7::text[],
		$8::text[], $9::text[], $10::bytea[], $11::bytea[], $12::bytea[]) WITH ORDINALITY AS ` + lockedColumns
	lockedValues = `SELECT * FROM (VALUES {values}) AS ` + lockedColumns
)

// Publishing: $1 queue, $2 the channel of its sessions. The one row has the keys that are new, in
// hexadecimal, and whether a session was notified.
const (
	publish = `WITH m AS ({source}), ` + insertJobs + ` ORDER BY m.n)
	SELECT '', ` + notify

	// One message alone, the usual case inside of a user's transaction. Its plan is made once: one
	// with arrays is made again each time, because its estimate depends on their lengths.
	publishOne = `INSERT INTO {}.job
			(queue, priority, not_before, attempt, published, message_id, content_type, headers, body)
		VALUES ($1::text, $3::smallint, greatest($4::timestamptz, clock_timestamp()), $5::int, $6::timestamptz,
			$7::text, $8::text, nullif($9::text, '')::jsonb, $10::bytea)
		RETURNING '', ` + notify

	// The keys are sorted, so that publishers of the same keys never wait for each other in a
	// circle.
	publishKeyed = `WITH m AS ({source}), ` + insertKeys + `, ` + insertJobs + `
		WHERE length(m.key) = 0 OR m.key IN (SELECT k.key FROM k) ORDER BY m.n)
	SELECT coalesce((SELECT string_agg(encode(k.key, 'hex'), ',') FROM k), ''), ` + notify

	insertKeys = `k AS (
		INSERT INTO {}.unique_key AS u (queue, key, until)
		SELECT $1::text, m.key, now() + {window} * interval '1 microsecond'
		FROM m WHERE length(m.key) > 0 ORDER BY m.key
		ON CONFLICT (queue, key) DO UPDATE SET until = excluded.until WHERE u.until <= now()
		RETURNING u.key
	)`

	// Keys that are taken until a job is done are in its row. The rows are sorted by them, for the
	// same reason. The order of the messages is that of their times, a microsecond from one to the
	// next: no row is inserted faster. The new keys of this kind have a mark of exclamation.
	publishLocked = `WITH m AS ({source}), t AS MATERIALIZED (SELECT clock_timestamp() AS present),
	` + insertKeys + `, j AS (
		INSERT INTO {}.job
			(queue, priority, not_before, attempt, published, message_id, content_type, headers, body, lock_key)
		SELECT $1::text, m.priority, greatest(m.not_before, t.present) + m.n * interval '1 microsecond', m.attempt,
			m.published, m.message_id, m.content_type, nullif(m.headers, '')::jsonb, m.body,
			CASE WHEN length(m.lock_key) > 0 THEN m.lock_key END
		FROM m, t WHERE length(m.key) = 0 OR m.key IN (SELECT k.key FROM k) ORDER BY m.lock_key, m.n
		` + unlessLocked + ` RETURNING lock_key
	)
	SELECT concat_ws(',', (SELECT string_agg(encode(k.key, 'hex'), ',') FROM k),
		(SELECT string_agg('!' || encode(j.lock_key, 'hex'), ',') FROM j)), ` + notify

	unlessLocked = `ON CONFLICT (queue, lock_key) WHERE lock_key IS NOT NULL DO NOTHING`

	insertJobs = `j AS (
		INSERT INTO {}.job (queue, priority, not_before, attempt, published, message_id, content_type, headers, body)
		SELECT $1::text, m.priority, greatest(m.not_before, clock_timestamp()), m.attempt, m.published, m.message_id,
			m.content_type, nullif(m.headers, '')::jsonb, m.body
		FROM m`

	notify = `(SELECT pg_notify($2::text, '')::text
		FROM {}.session WHERE queue = $1::text AND sleeping LIMIT 1) IS NOT NULL`
)

// A session: $1 is its id, except in open.
const (
	openSession = `INSERT INTO {}.session (queue, name, lease)
		VALUES ($1, $2, now() + $3::bigint * interval '1 microsecond') RETURNING id`

	ack = `DELETE FROM {}.job WHERE id = ANY($2::bigint[]) AND session = $1 AND {alive} RETURNING id`

	// $2 ids, $3 attempts so far, $4 delays in microseconds, -1 to go back to the old place, $5
	// headers, $6 whether a message of a group keeps its place and holds up those behind it.
	giveBack = `UPDATE {}.job j SET session = NULL, attempt = u.attempt,
			not_before = CASE WHEN u.after < 0 OR $6 AND j.message_group IS NOT NULL THEN j.not_before
				ELSE clock_timestamp() + u.after * interval '1 microsecond' END,
			hold_until = CASE WHEN u.after > 0 AND $6 AND j.message_group IS NOT NULL
				THEN clock_timestamp() + u.after * interval '1 microsecond' END,
			headers = CASE WHEN u.headers = '' THEN j.headers
				ELSE coalesce(j.headers, jsonb_build_object()) || u.headers::jsonb END
		FROM unnest($2::bigint[], $3::int[], $4::bigint[], $5::text[]) AS u(id, attempt, after, headers)
		WHERE j.id = ANY($2::bigint[]) AND j.id = u.id AND j.session = $1 AND {alive}
		RETURNING j.id`

	// $2 ids, $3 headers.
	bury = `WITH d AS (
			DELETE FROM {}.job WHERE id = ANY($2::bigint[]) AND session = $1 AND {alive}
			RETURNING id, queue, priority, published, message_id, content_type, headers, body, lock_key
		), l AS (
			INSERT INTO {}.letter (id, queue, priority, published, message_id, content_type, headers, body, lock_key)
			SELECT d.id, d.queue, d.priority, d.published, d.message_id, d.content_type,
				coalesce(d.headers, jsonb_build_object()) || u.headers::jsonb, d.body, d.lock_key
			FROM d JOIN unnest($2::bigint[], $3::text[]) WITH ORDINALITY AS u(id, headers, n) ON u.id = d.id
			ORDER BY u.n
		)
		SELECT id FROM d`

	// $2 the ids that were handed out.
	giveBackAll = `UPDATE {}.job SET session = NULL, attempt = attempt - 1,
			deliveries = deliveries - CASE WHEN id = ANY($2::bigint[]) THEN 0 ELSE 1 END
		WHERE session = $1`
)

// Claims: $1 is the session, $2 the queue, $3 how many, $4 priorities, from the highest, with their
// marks in $5 and $6. Each priority is probed by itself, so that delayed messages of another cost
// nothing.
const (
	claim = `UPDATE {}.job SET session = $1, attempt = attempt + 1, deliveries = deliveries + 1
		WHERE ctid = ANY(ARRAY(
			SELECT x.c
			FROM unnest($4::smallint[], $5::timestamptz[], $6::bigint[]) AS m(priority, not_before, id), LATERAL (
				SELECT w.ctid AS c FROM {}.job w
				WHERE w.queue = $2 AND w.priority = m.priority AND w.session IS NULL
					AND (w.not_before, w.id) > (m.not_before, m.id) AND w.not_before <= now(){rows}
			) x LIMIT $3::int
		)) AND {alive}
		RETURNING id, priority, not_before, attempt, deliveries, published, message_id, content_type,
			coalesce(headers::text, ''), body`

	// Any session may have what is not held or locked by another.
	skipLocked = `
				ORDER BY w.not_before, w.id LIMIT $3::int FOR UPDATE SKIP LOCKED`

	// A group belongs to the session that holds messages of it. Messages before the mark come
	// first: the next sweep finds them.
	unlessGroupHeld = `
					AND (w.message_group IS NULL OR NOT EXISTS (
						SELECT FROM {}.job e WHERE e.queue = $2 AND e.message_group = w.message_group
							AND e.session IS NOT NULL AND e.session <> $1
					) AND NOT EXISTS (
						SELECT FROM {}.job e WHERE e.queue = $2 AND e.message_group = w.message_group
							AND e.priority = m.priority AND e.session IS NULL
							AND (e.not_before, e.id) <= (m.not_before, m.id)
					) AND NOT EXISTS (
						SELECT FROM {}.job e WHERE e.queue = $2 AND e.message_group = w.message_group
							AND e.priority = m.priority AND e.session IS NULL
							AND (e.not_before, e.id) <= (w.not_before, w.id)
							AND e.hold_until > now()))
				ORDER BY w.not_before, w.id LIMIT $3::int FOR UPDATE`

	// Claims in order come one after the other, so that each sees all that the one before has
	// claimed.
	lockClaims = `SELECT pg_advisory_xact_lock(hashtextextended('gentask claim {} ' || $1, 0))`
)

// claimOf returns the claim of the rows that a condition and an order select.
func claimOf(rows string) string { return strings.ReplaceAll(claim, "{rows}", rows) }

// Leases. A dead session is remembered for as long as one of its statements may still run.
const (
	// $2 the lease in microseconds, $3 queue. The second column is whether a session has died. It
	// does not touch the jobs, whose table may be locked.
	renew = `WITH r AS (
			UPDATE {}.session SET lease = now() + $2::bigint * interval '1 microsecond' WHERE id = $1 AND NOT dead
			RETURNING id
		)
		SELECT EXISTS (SELECT FROM r), EXISTS (
			SELECT FROM {}.session s WHERE s.queue = $3 AND s.id <> $1 AND (s.dead OR s.lease < now()))`

	// $1 queue, $2 the most jobs. Both updates skip what others hold at the moment: the next call
	// finds it.
	takeOver = `WITH gone AS (
			UPDATE {}.session SET dead = true, sleeping = false WHERE id = ANY(ARRAY(
				SELECT s.id FROM {}.session s WHERE s.queue = $1 AND (s.dead OR s.lease < now())
					AND (NOT s.dead OR EXISTS (SELECT FROM {}.job j WHERE j.session = s.id))
				ORDER BY s.id FOR UPDATE SKIP LOCKED))
			RETURNING id
		), back AS (
			UPDATE {}.job SET session = NULL WHERE ctid = ANY(ARRAY(
				SELECT ctid FROM {}.job WHERE session = ANY(ARRAY(SELECT id FROM gone))
				LIMIT $2::int FOR UPDATE SKIP LOCKED))
			RETURNING 1
		)
		SELECT count(*) FROM back`

	// Jobs of a session that is not there: a statement of its must have hung for very long.
	orphans = `UPDATE {}.job j SET session = NULL WHERE j.session IS NOT NULL AND j.queue = $1
		AND NOT EXISTS (SELECT FROM {}.session s WHERE s.id = j.session)`

	forget = `DELETE FROM {}.session s WHERE s.queue = $1 AND s.dead AND s.lease < now() - interval '5 minutes'
		AND NOT EXISTS (SELECT FROM {}.job j WHERE j.session = s.id)`

	// How many microseconds remain until the next message is due.
	due = `SELECT coalesce(min((extract(epoch FROM x.not_before - clock_timestamp()) * 1000000)::bigint), -1)
		FROM generate_series(0, 9) AS p(priority), LATERAL (
			SELECT w.not_before FROM {}.job w
			WHERE w.queue = $1 AND w.priority = p.priority AND w.session IS NULL AND w.not_before > now()
			ORDER BY w.not_before, w.id LIMIT 1
		) x`

	expireKeys = `DELETE FROM {}.unique_key WHERE ctid = ANY(ARRAY(
		SELECT ctid FROM {}.unique_key WHERE until < now() ORDER BY until LIMIT $1::int FOR UPDATE SKIP LOCKED))`
)

// Jobs that are done: $1 is the key, $2 for how many microseconds.
const (
	// No row is returned if the key is there.
	firstDone = `INSERT INTO {}.done AS d (key, until) VALUES ($1, now() + $2::bigint * interval '1 microsecond')
		ON CONFLICT (key) DO UPDATE SET until = excluded.until WHERE d.until <= now() RETURNING true`
	isDone     = `SELECT EXISTS (SELECT FROM {}.done WHERE key = $1 AND until > now())`
	expireDone = `DELETE FROM {}.done WHERE ctid = ANY(ARRAY(
		SELECT ctid FROM {}.done WHERE until < now() ORDER BY until LIMIT $1::int FOR UPDATE SKIP LOCKED))`
)

// An operator: $1 is the queue.
const (
	// $2 the most that are counted.
	backlog = `SELECT count(*) FROM (
		SELECT FROM generate_series(0, 9) AS p(priority), LATERAL (
			SELECT FROM {}.job w
			WHERE w.queue = $1 AND w.priority = p.priority AND w.session IS NULL AND w.not_before <= now()
			LIMIT $2::int) x LIMIT $2::int) y`

	inspect = `SELECT
		(SELECT count(*) FROM {}.job WHERE queue = $1 AND session IS NULL AND not_before <= now()),
		(SELECT count(*) FROM {}.job WHERE queue = $1 AND session IS NULL AND not_before > now()),
		(SELECT count(*) FROM {}.job WHERE queue = $1 AND session IS NOT NULL),
		(SELECT count(*) FROM {}.letter WHERE queue = $1),
		(SELECT count(*) FROM {}.session WHERE queue = $1 AND NOT dead AND lease > now())`

	// $2 limit. Each priority is read along the index.
	peek = `SELECT m.priority, m.not_before, m.published, m.message_id, m.content_type,
			coalesce(m.headers::text, ''), m.body
		FROM generate_series(9, 0, -1) AS p(priority), LATERAL (
			SELECT * FROM {}.job j WHERE j.queue = $1 AND j.priority = p.priority AND j.session IS NULL
			ORDER BY j.not_before, j.id LIMIT $2::int
		) m ORDER BY m.priority DESC, m.not_before, m.id LIMIT $2::int`

	// $1 prefix, $2 the most that are counted. Each name is found by the index alone.
	queues = `WITH RECURSIVE w AS (
			(SELECT queue FROM {}.job WHERE session IS NULL AND queue >= $1 ORDER BY queue LIMIT 1)
			UNION ALL
			SELECT (SELECT j.queue FROM {}.job j WHERE j.session IS NULL AND j.queue > w.queue ORDER BY j.queue LIMIT 1)
			FROM w WHERE w.queue IS NOT NULL
		), l AS (
			(SELECT queue FROM {}.letter WHERE queue >= $1 ORDER BY queue LIMIT 1)
			UNION ALL
			SELECT (SELECT d.queue FROM {}.letter d WHERE d.queue > l.queue ORDER BY d.queue LIMIT 1)
			FROM l WHERE l.queue IS NOT NULL
		), n AS (SELECT queue FROM w UNION SELECT queue FROM l UNION SELECT queue FROM {}.session)
		SELECT n.queue,
			(SELECT count(*) FROM (
				SELECT FROM generate_series(0, 9) AS p(priority), LATERAL (
					SELECT FROM {}.job j WHERE j.queue = n.queue AND j.priority = p.priority AND j.session IS NULL
						AND j.not_before <= now()
					LIMIT $2::int) x LIMIT $2::int) y),
			(SELECT count(*) FROM (SELECT FROM {}.letter d WHERE d.queue = n.queue LIMIT $2::int) x),
			(SELECT count(*) FROM {}.session s JOIN {}.job j ON j.session = s.id WHERE s.queue = n.queue),
			coalesce((extract(epoch FROM now() - least(
				(SELECT min(x.not_before) FROM generate_series(0, 9) AS p(priority), LATERAL (
					SELECT j.not_before FROM {}.job j
					WHERE j.queue = n.queue AND j.priority = p.priority AND j.session IS NULL AND j.not_before <= now()
					ORDER BY j.not_before LIMIT 1) x),
				(SELECT min(j.not_before) FROM {}.session s JOIN {}.job j ON j.session = s.id WHERE s.queue = n.queue)
			)) * 1000000)::bigint, 0)
		FROM n WHERE starts_with(n.queue, $1) ORDER BY 1`

	// $2 and $3 the numbers between which to read, $4 how many.
	letters = `SELECT number, priority, published, message_id, content_type, coalesce(headers::text, ''), body,
			lock_key IS NOT NULL
		FROM {}.letter WHERE queue = $1 AND number > $2 AND number <= $3 ORDER BY number LIMIT $4::int`

	// $2 number. The commit does not wait for the disk: see flush.
	removeLetter = `DELETE FROM {}.letter WHERE queue = $1 AND number = $2
		AND (SELECT set_config('synchronous_commit', 'off', true)) IS NOT NULL`

	// A transaction that waits for the disk, and so for all earlier ones.
	flush = `SELECT pg_logical_emit_message(true, 'gentask', '')`

	// $2 number, $3 attempts used up, $4 headers, $5 channel. The job keeps its id. The row has how
	// many letters were there, and how many jobs were made of them: fewer if the key is taken.
	redriveLetter = `WITH l AS (
			DELETE FROM {}.letter WHERE queue = $1 AND number = $2
			RETURNING id, queue, priority, published, message_id, content_type, body, lock_key
		), j AS (
			INSERT INTO {}.job
				(id, queue, priority, attempt, published, message_id, content_type, headers, body, lock_key)
			SELECT id, queue, priority, $3::int, published, message_id, content_type, nullif($4, '')::jsonb, body,
				lock_key
			FROM l {taken}
			RETURNING 1
		)
		SELECT (SELECT count(*) FROM l), (SELECT count(*) FROM j),
			(SELECT pg_notify($5, '')::text FROM l LIMIT 1) IS NOT NULL`
)
