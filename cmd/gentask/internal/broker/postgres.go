package broker

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/postgres"
)

// database is a PostgreSQL database.
type database struct {
	*postgres.Broker
	pool *pgxpool.Pool
}

// maxConns is that of the pool: enough for a store, a bus and a publisher.
const maxConns = 4

func openPostgres(ctx context.Context, cfg Config) (Broker, error) {
	config, err := pgxpool.ParseConfig(cfg.URL)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrURL, err)
	}
	config.MaxConns = maxConns
	if cfg.Name != "" {
		config.ConnConfig.RuntimeParams["application_name"] = cfg.Name
	}
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrURL, err)
	}
	if err := pool.Ping(ctx); err != nil {
		pool.Close()
		return nil, fmt.Errorf("%w: %w", ErrAway, err)
	}
	b, err := postgres.New(pool, postgres.Config{Schema: cfg.Schema})
	if err != nil {
		pool.Close()
		return nil, fmt.Errorf("%w: %w", ErrURL, err)
	}
	return &database{Broker: b, pool: pool}, nil
}

// System implements Broker.
func (*database) System() string { return "PostgreSQL" }

// Queue implements Broker.
func (d *database) Queue(name string) Queue { return d.Broker.Queue(name) }

// Make implements Broker.
func (d *database) Make(ctx context.Context, name string) (OwnQueue, error) {
	return d.Broker.Queue(name), isNew(ctx, d, name)
}

// Names implements Broker. A queue without messages, letters and sessions does not exist.
func (d *database) Names(ctx context.Context) ([]string, error) {
	all, err := d.Queues(ctx, "")
	names := make([]string, len(all))
	for i := range all {
		names[i] = all[i].Name
	}
	return names, err
}

// Find returns nil: every queue exists as soon as it is used.
func (*database) Find(context.Context, string) error { return nil }

// Uses implements Loose.
func (d *database) Uses(ctx context.Context, name string) (bool, error) {
	all, err := d.Queues(ctx, name)
	return len(all) > 0 && all[0].Name == name, err
}

// Peek implements Broker.
func (d *database) Peek(ctx context.Context, name string, limit int) ([]queue.Message, error) {
	return d.Broker.Queue(name).Peek(ctx, limit)
}

// Close implements Broker.
func (d *database) Close() error {
	d.pool.Close()
	return nil
}
