package postgres_test

import (
	"io/fs"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/postgres"
)

// works requires that a message goes through a queue of the schema.
func works(t *testing.T, schema string) {
	t.Helper()
	q := newBroker(t, url(), postgres.Config{Schema: schema}).Queue("q")
	require.NoError(t, q.Publish(t.Context(), queue.Message{ID: "a"}))
	s := open(t, q, 1)
	ack(t, s, receive(t, s))
}

// Any number of nodes may migrate at the same time, and again.
func TestMigrate(t *testing.T) {
	t.Parallel()
	schema, pool := bareSchema(t), newPool(t, url())
	errs := make([]error, 6)
	var wg sync.WaitGroup
	for i := range errs {
		wg.Go(func() { errs[i] = postgres.Migrate(t.Context(), pool, postgres.Config{Schema: schema}) })
	}
	wg.Wait()
	for _, err := range errs {
		require.NoError(t, err)
	}
	works(t, schema)
}

// The SQL files do the same, by any tool, and a role that may not create schemas can migrate
// in one that is there.
func TestMigrate_Files(t *testing.T) {
	t.Parallel()
	schema := bareSchema(t)
	exec(t, "CREATE SCHEMA "+schema)
	names, err := fs.Glob(postgres.Migrations, "migrations/*.sql")
	require.NoError(t, err)
	require.NotEmpty(t, names)
	for _, name := range names {
		text, err := fs.ReadFile(postgres.Migrations, name)
		require.NoError(t, err)
		exec(t, strings.ReplaceAll(string(text), "gentask", schema))
	}
	require.NoError(t, postgres.Migrate(t.Context(), newPool(t, url()), postgres.Config{Schema: schema}))
	works(t, schema)
}

// A schema that is missing, too old or too new is an error that names both versions, everywhere.
func TestVersions(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		prepare func(schema string)
		want    []string
		migrate bool // Migrate is the remedy
	}{
		"missing": {func(string) {}, []string{"version 0", "needs 3", "Migrate"}, true},
		"too old": {func(schema string) {
			exec(t, "CREATE SCHEMA "+schema)
			exec(t, "CREATE TABLE "+schema+".version (version int PRIMARY KEY, oldest int NOT NULL)")
		}, []string{"version 0", "needs 3"}, false},
		"too new": {func(schema string) {
			require.NoError(t, postgres.Migrate(t.Context(), newPool(t, url()), postgres.Config{Schema: schema}))
			exec(t, "INSERT INTO "+schema+".version (version, oldest) VALUES (7, 5)")
		}, []string{"version 7", "version 5 or newer", "has 3"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			schema, pool := bareSchema(t), newPool(t, url())
			c.prepare(schema)
			cfg := postgres.Config{Schema: schema}
			q := newBroker(t, url(), cfg).Queue("q")
			_, err := q.Open(t.Context(), queue.Options{Prefetch: 1})
			tx, errTx := pool.Begin(t.Context())
			require.NoError(t, errTx)
			errTx = q.PublishTx(t.Context(), tx, queue.Message{})
			require.NoError(t, tx.Rollback(t.Context()))
			for _, err := range []error{err, errTx, q.Publish(t.Context(), queue.Message{})} {
				require.ErrorIs(t, err, postgres.ErrVersion)
				for _, text := range c.want {
					require.ErrorContains(t, err, text)
				}
			}
			if c.migrate {
				require.NoError(t, postgres.Migrate(t.Context(), pool, cfg))
				works(t, schema)
			}
		})
	}
}

// A newer schema that older programs can work with is no error.
func TestVersions_Newer(t *testing.T) {
	t.Parallel()
	schema := newSchema(t)
	exec(t, "INSERT INTO "+schema+".version (version, oldest) VALUES (7, 1)")
	require.NoError(t, postgres.Migrate(t.Context(), newPool(t, url()), postgres.Config{Schema: schema}))
	works(t, schema)
}

// An invalid config is an error that names every field that is wrong.
func TestConfig(t *testing.T) {
	t.Parallel()
	_, err := postgres.New(nil, postgres.Config{Schema: `a"b`, Lease: 1, Unique: -2})
	require.ErrorIs(t, err, queue.ErrConfig)
	for _, text := range []string{"pool", "Config.Schema", "Config.Lease", "Config.Unique"} {
		require.ErrorContains(t, err, text)
	}
	require.ErrorIs(t, postgres.Migrate(t.Context(), nil, postgres.Config{Lease: 1}), queue.ErrConfig)
}
