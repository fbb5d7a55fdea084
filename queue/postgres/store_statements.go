package postgres

import "strings"

// storeStatements are the SQL of stores: $1 is the store, $2 the key or the prefix.
type storeStatements struct {
	make, facts            string
	get, count             string
	create, put, update    string
	remove, removeAt       string
	clear, changes, newest string
	sweep, watching        string
}

// The parts of statements.
const (
	// A record is there: it has a value, and its time is not over.
	isThere = `(r.value IS NOT NULL AND (r.until IS NULL OR r.until > clock_timestamp()))`

	// A key has the prefix. The slash is the next byte after the dot.
	hasPrefix = `($2 = '' OR r.key = $2 OR r.key > $2 || '.' AND r.key < $2 || '/')`

	// The lock makes the order of revisions that of the commits. It is taken before a revision is.
	locked = `l AS MATERIALIZED (
			SELECT s.name FROM {}.store s, (SELECT pg_advisory_xact_lock(hashtextextended('{} store ' || $1, 0))) x
			WHERE s.name = $1)`

	// The one row: whether there is a store, the new revision, and whether watches were notified.
	written = `SELECT EXISTS (SELECT FROM l), coalesce((SELECT max(revision) FROM w), 0), (
			SELECT pg_notify({channel}, '')::text FROM {}.store s
			WHERE s.name = $1 AND s.watched > now() AND EXISTS (SELECT FROM w)) IS NOT NULL`

	newRevision = `nextval('{}.revision')`
	ending      = `CASE WHEN $4::bigint > 0 THEN clock_timestamp() + $4::bigint * interval '1 microsecond' END`
)

// Writes. $3 is the value, $4 for how many microseconds to keep it, $5 the revision of before.
const (
	insertRecord = `WITH ` + locked + `, w AS (
		INSERT INTO {}.record AS r (store, key, revision, value, until)
		SELECT $1, $2, ` + newRevision + `, $3::bytea, ` + ending + ` FROM l
		ON CONFLICT (store, key) DO UPDATE
			SET revision = excluded.revision, value = excluded.value, until = excluded.until {condition}
		RETURNING r.revision) ` + written

	updateRecord = `WITH ` + locked + `, w AS (
		UPDATE {}.record r SET revision = ` + newRevision + `, value = $3::bytea, until = ` + ending + ` FROM l
		WHERE r.store = $1 AND r.key = $2 AND r.revision = $5::bigint AND ` + isThere + `
		RETURNING r.revision) ` + written

	// {which}: the condition.
	removeRecords = `WITH ` + locked + `, w AS (
		UPDATE {}.record r SET revision = ` + newRevision + `, value = NULL, until = clock_timestamp() FROM l
		WHERE r.store = $1 AND {which} AND ` + isThere + `
		RETURNING r.revision) ` + written
)

// Reads.
const (
	// $3 the newest revision that was read, $4 the time of that, in microseconds; both below 0 for
	// all records. One row has at least the time and the incarnation.
	changedRecords = `SELECT s.incarnation, (extract(epoch FROM now()) * 1000000)::bigint, coalesce(r.key, ''),
			coalesce(r.revision, 0), r.value, r.gone IS TRUE
		FROM {}.store s LEFT JOIN LATERAL (
			SELECT r.key, r.revision, r.value, r.value IS NULL OR r.until <= now() AS gone
			FROM {}.record r WHERE r.store = $1 AND r.revision > $3::bigint AND ` + hasPrefix + `
			UNION ALL
			SELECT r.key, r.revision, NULL, true
			FROM {}.record r WHERE r.store = $1 AND $4::bigint >= 0 AND r.revision <= $3::bigint AND r.until <= now()
				AND r.until > to_timestamp($4::bigint / 1000000.0) - interval '1 millisecond' AND ` + hasPrefix + `
		) r ON true WHERE s.name = $1 ORDER BY r.revision`

	sweepRecords = `DELETE FROM {}.record WHERE ctid = ANY(ARRAY(
		SELECT ctid FROM {}.record WHERE store = $1 AND until < now() - interval '1 minute'
		ORDER BY until LIMIT 1000 FOR UPDATE SKIP LOCKED))`
)

// newStoreStatements returns the statements for a schema, and the channel of a store.
func newStoreStatements(schema, channel string) *storeStatements {
	s := func(text string, with ...string) string {
		text = strings.NewReplacer(with...).Replace(text)
		text = strings.ReplaceAll(text, "{channel}", "'"+channel+"'")
		return strings.ReplaceAll(text, "{}", schema)
	}
	return &storeStatements{
		make: s(`INSERT INTO {}.store (name, incarnation) VALUES ($1, nextval('{}.revision')) ON CONFLICT DO NOTHING`),
		facts: s(`SELECT incarnation, current_setting('synchronous_commit') <> 'off' AND current_setting('fsync') = 'on'
			FROM {}.store WHERE name = $1`),
		get:      s(`SELECT r.revision, r.value FROM {}.record r WHERE r.store = $1 AND r.key = $2 AND ` + isThere),
		count:    s(`SELECT count(*) FROM {}.record r WHERE r.store = $1 AND ` + hasPrefix + ` AND ` + isThere),
		create:   s(insertRecord, "{condition}", "WHERE NOT "+isThere),
		put:      s(insertRecord, "{condition}", ""),
		update:   s(updateRecord),
		remove:   s(removeRecords, "{which}", "r.key = $2"),
		removeAt: s(removeRecords, "{which}", "r.key = $2 AND r.revision = $3::bigint"),
		clear:    s(removeRecords, "{which}", hasPrefix),
		changes:  s(changedRecords),
		newest:   s(`SELECT coalesce(max(revision), 0) FROM {}.record WHERE store = $1`),
		sweep:    s(sweepRecords),
		watching: s(`UPDATE {}.store SET watched = now() + interval '30 seconds'
			WHERE name = $1 AND watched < now() + interval '15 seconds'`),
	}
}
