package postgres

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// version is the version of the schema that this program needs.
const version = 3

// Migrations holds the migrations as SQL files, for a tool of your own: 0001.sql and so on, in the
// order of their names, each in one transaction. They create the schema "gentask".
//
//go:embed migrations/*.sql
var Migrations embed.FS

// Migrate brings the schema of cfg to the version that this program needs, and creates it if it is
// missing. Any number of nodes may call it at the same time, while programs of other versions work:
// no lock on a table is held, or waited for, longer than 100 ms. A schema that is newer is left
// alone; it is an error that wraps [ErrVersion] if it is too new. The role needs the rights to
// create the schema and its tables.
//
// From version 2 to 3, Migrate makes two connections beside the pool, and waits for the end of the
// transactions that are open in the database: the server builds an index. If it is interrupted, the
// next call goes on.
func Migrate(ctx context.Context, pool *pgxpool.Pool, cfg Config) error {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return err
	}
	b, err := New(pool, cfg)
	if err != nil {
		return err
	}
	if err := b.prepare(ctx); err != nil {
		return fmt.Errorf("postgres: prepare schema %q for version %d: %w", cfg.Schema, lockVersion, err)
	}
	err = pgx.BeginTxFunc(ctx, pool, pgx.TxOptions{IsoLevel: pgx.ReadCommitted}, func(tx pgx.Tx) error {
		return migrate(ctx, tx, cfg.Schema)
	})
	if err != nil {
		return fmt.Errorf("postgres: migrate schema %q: %w", cfg.Schema, err)
	}
	return nil
}

// migrate applies what is missing, in a transaction.
func migrate(ctx context.Context, tx pgx.Tx, schema string) error {
	const lock = `SELECT pg_advisory_xact_lock(hashtextextended('gentask migrate ' || $1, 0))`
	if _, err := tx.Exec(ctx, lock, pgx.QueryExecModeExec, schema); err != nil {
		return err
	}
	have, oldest, err := findVersion(ctx, tx, schema)
	if err != nil {
		return err
	}
	if have >= version {
		return checkVersion(schema, have, oldest)
	}
	for v := have + 1; v <= version; v++ {
		file, err := Migrations.ReadFile(fmt.Sprintf("migrations/%04d.sql", v))
		if err != nil {
			return err
		}
		text := strings.ReplaceAll(string(file), defaultSchema, schema)
		if _, err := tx.Conn().PgConn().Exec(ctx, text).ReadAll(); err != nil {
			return fmt.Errorf("version %d: %w", v, err)
		}
	}
	return nil
}

// querier is a pool, a connection or a transaction.
type querier interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// findVersion returns the version of the schema, and the oldest version of a program that can work
// with it. They are 0 if there is none. It never fails a transaction.
func findVersion(ctx context.Context, q querier, schema string) (have, oldest int, err error) {
	var exists bool
	const find = `SELECT EXISTS (SELECT FROM pg_catalog.pg_class c
		JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relname = 'version')`
	err = q.QueryRow(ctx, find, pgx.QueryExecModeExec, schema).Scan(&exists)
	if err != nil || !exists {
		return 0, 0, err
	}
	err = q.QueryRow(ctx, `SELECT version, oldest FROM `+schema+`.version ORDER BY version DESC LIMIT 1`,
		pgx.QueryExecModeExec).Scan(&have, &oldest)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, 0, nil
	}
	return have, oldest, err
}

// checkVersion returns an error unless this program can work with a schema of that version.
func checkVersion(schema string, have, oldest int) error {
	switch {
	case have < version:
		return fmt.Errorf("%w: schema %q has version %d, this program needs %d: run Migrate",
			ErrVersion, schema, have, version)
	case oldest > version:
		return fmt.Errorf("%w: schema %q has version %d, for programs of version %d or newer, and this one has %d: "+
			"deploy a newer program", ErrVersion, schema, have, oldest, version)
	}
	return nil
}
