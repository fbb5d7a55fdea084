package doctor

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/gentask/gentask/queue/postgres"
)

// postgreSQL looks at a PostgreSQL database.
func (e *examination) postgreSQL(ctx context.Context) {
	ctx, cancel := e.bounded(ctx)
	defer cancel()
	conn, err := pgx.Connect(ctx, e.URL)
	if err != nil {
		e.failed(Wrong, "connection", err, "is the server there, and are user, password and database right?")
		return
	}
	defer conn.Close(context.WithoutCancel(ctx)) //nolint:errcheck // nothing is left to lose
	e.pgServer(ctx, conn)
	e.pgDurability(ctx, conn)
	e.pgSessions(ctx, conn)
	e.pgSchema(ctx)
	e.pgTables(ctx, conn)
	e.pgRights(ctx, conn)
}

func (e *examination) pgServer(ctx context.Context, conn *pgx.Conn) {
	var version, number int
	var standby bool
	var told time.Time
	before := time.Now()
	err := conn.QueryRow(ctx, `SELECT current_setting('server_version_num')::int, pg_is_in_recovery(),
clock_timestamp()`).
		Scan(&number, &standby, &told)
	after := time.Now()
	if err != nil {
		e.failed(Unknown, "server", err, "")
		return
	}
	version = number / 10_000
	e.is(version < 13, Wrong, "server", fmt.Sprintf("PostgreSQL %d", version), "use 13 or newer")
	e.is(standby, Wrong, "role", map[bool]string{true: "a standby", false: "a primary"}[standby],
		"name the primary in the URL, with target_session_attrs=read-write")
	e.skew("clock of the server", aheadOf(told, before, after))
}

// settings are those with consequences: what is risky, how bad that is, and what to do.
var settings = []struct {
	name, bad string
	level     Level
	do        string
}{
	{"fsync", "off", Wrong, "turn it on: a crash of the machine may destroy the whole database"},
	{"full_page_writes", "off", Risk, "turn it on, unless the file system writes whole pages"},
	{"synchronous_commit", "off", Risk, "turn it on for these roles: a crash loses messages that were confirmed"},
	{"autovacuum", "off", Wrong, "turn it on: the table of jobs grows by every job"},
}

func (e *examination) pgDurability(ctx context.Context, conn *pgx.Conn) {
	for _, s := range settings {
		var value string
		if err := conn.QueryRow(ctx, `SELECT current_setting($1)`, s.name).Scan(&value); err != nil {
			e.failed(Unknown, s.name, err, "")
			continue
		}
		e.is(value == s.bad, s.level, s.name, value, s.do)
	}
	for _, name := range []string{"statement_timeout", "idle_in_transaction_session_timeout", "lock_timeout"} {
		var value string
		if err := conn.QueryRow(ctx, `SELECT current_setting($1)`, name).Scan(&value); err == nil {
			e.is(value != "0" && name == "statement_timeout", Risk, name, value,
				"make it longer than a look over the waiting jobs takes: it fails what it strikes")
		}
	}
}

// longTransaction is how long a transaction may take before it holds up the vacuum for too long.
const longTransaction = 5 * time.Minute

func (e *examination) pgSessions(ctx context.Context, conn *pgx.Conn) {
	var used, most int
	var oldest float64
	err := conn.QueryRow(ctx, `SELECT (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'),
		current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int,
		coalesce((SELECT extract(epoch FROM max(clock_timestamp() - xact_start)) FROM pg_stat_activity
			WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()), 0)::float8`).Scan(&used, &most, &oldest)
	if err != nil {
		e.failed(Unknown, "connections", err, "")
		return
	}
	e.is(float64(used) > nearlyFull*float64(most), Risk, "connections", fmt.Sprintf("%d of %d", used, most),
		"raise max_connections, or use PgBouncer: a session has two of its own")
	age := time.Duration(oldest * float64(time.Second)).Round(time.Second)
	e.is(age > longTransaction, Risk, "oldest transaction", age.String(),
		"end it: until then no dead row of the jobs is removed, and the table grows by every job")
}

// pgSchema looks at the version of the schema, by what the driver thinks of it.
func (e *examination) pgSchema(ctx context.Context) {
	_, err := e.Broker.Names(ctx)
	if errors.Is(err, postgres.ErrVersion) {
		e.failed(Wrong, "schema", err, "let the program that is deployed call postgres.Migrate, or update gentask")
		return
	}
	if err != nil {
		e.failed(Wrong, "schema", err, "see the rights in docs/drivers.md")
		return
	}
	e.add(Fine, "schema", "fits", "")
}

// schema returns the name of the schema.
func (e *examination) schema() string {
	if e.Schema == "" {
		return "gentask"
	}
	return e.Schema
}

// deadRows is how many dead rows the table of jobs may have.
const deadRows = 1_000_000

func (e *examination) pgTables(ctx context.Context, conn *pgx.Conn) {
	var dead int64
	err := conn.QueryRow(ctx, `SELECT n_dead_tup FROM pg_stat_user_tables WHERE schemaname = $1 AND relname = 'job'`,
		e.schema()).Scan(&dead)
	if errors.Is(err, pgx.ErrNoRows) {
		return // the look at the schema has it
	}
	if err != nil {
		e.failed(Unknown, "dead rows of the jobs", err, "")
		return
	}
	e.is(dead > deadRows, Risk, "dead rows of the jobs", fmt.Sprint(dead),
		"find out what holds up the vacuum: a long transaction, a replication slot, or a role that may not vacuum")
}

// rights are those of a consumer, and of a fleet.
var rights = []struct{ table, right, needed string }{
	{"job", "SELECT, UPDATE, DELETE", "consume"},
	{"job", "INSERT", "publish"},
	{"session", "SELECT, INSERT, UPDATE, DELETE", "consume"},
	{"letter", "INSERT", "dead-letter"},
	{"letter", "SELECT, DELETE", "operate on dead letters"},
	{"record", "SELECT, INSERT, UPDATE, DELETE", "have a store"},
	{"question", "SELECT, INSERT, UPDATE, DELETE", "have a bus"},
}

func (e *examination) pgRights(ctx context.Context, conn *pgx.Conn) {
	for _, r := range rights {
		name := pgx.Identifier{e.schema(), r.table}.Sanitize()
		for right := range splitRights(r.right) {
			var has *bool
			err := conn.QueryRow(ctx, `SELECT has_table_privilege(to_regclass($1), $2)`, name, right).Scan(&has)
			if err != nil || has == nil {
				continue // there is no such table: the look at the schema has it
			}
			if !*has {
				e.add(Risk, "rights", "the role may not "+right+" on "+name,
					"grant it, if this role should "+r.needed)
			}
		}
	}
}

// splitRights yields each right of a list.
func splitRights(list string) iter.Seq[string] { return strings.SplitSeq(list, ", ") }
