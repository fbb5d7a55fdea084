// Outbox is a shop: an HTTP handler stores an order and its email job in one transaction. The job
// goes through an outbox to another broker, a JetStream server inside the process. Kill it at any
// point: every order that was committed gets its email, and no other one does.
//
//	go -C examples/outbox run . -db postgres://postgres@127.0.0.1:5432/postgres
//	curl -d '{"to": "anna@example.com"}' localhost:8080/orders
package main

import (
	"context"
	"errors"
	"flag"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/embedded"
	"github.com/gentask/gentask/queue/postgres"
	"github.com/gentask/gentask/queue/postgres/outbox"
)

func main() {
	url := flag.String("db", "postgres://postgres@127.0.0.1:5432/postgres", "the database")
	schema := flag.String("schema", "shop", "the schema of the shop's tables, which are created")
	dir := flag.String("dir", "outbox-data", "directory of the other broker's files")
	addr := flag.String("addr", "localhost:8080", "where the shop listens")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // the first signal drains, a second one ends the process at once
	if err := run(ctx, *url, *schema, *dir, *addr); err != nil {
		slog.Error("shop ends", "error", err)
		os.Exit(1)
	}
}

// Email is the payload of a job.
type Email struct {
	Order int64  `json:"order"`
	To    string `json:"to"`
}

// Emails is the kind of message about an order.
var Emails = gentask.NewKind[Email]("email")

// shop takes orders, and sends emails about them.
type shop struct {
	pool   *pgxpool.Pool
	schema string
	db     *postgres.Broker
	outbox *outbox.Outbox
}

// run serves until ctx ends. It returns when all is drained.
func run(ctx context.Context, url, schema, dir, addr string) error {
	s, err := openShop(ctx, url, schema)
	if err != nil {
		return err
	}
	defer s.pool.Close()
	broker, err := embedded.Open(dir)
	if err != nil {
		return err
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
	if err != nil {
		return errors.Join(err, broker.Close())
	}
	slog.Info("listening", "addr", listener.Addr().String())

	ctx, stop := context.WithCancel(ctx)
	defer stop()
	ended := make(chan error)
	start := func(f func() error) {
		go func() {
			defer stop() // the parts of the shop end together
			ended <- f()
		}()
	}
	emails := broker.Queue("emails")
	server := &http.Server{Handler: s.routes(), ReadHeaderTimeout: 5 * time.Second}
	start(func() error {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	})
	start(func() error { return s.outbox.Relay(ctx, map[string]queue.Publisher{"emails": emails}) })
	start(func() error {
		return gentask.Run(ctx, emails, gentask.MuxKinds(Emails.Handle(s.send)), gentask.Config{})
	})
	<-ctx.Done()
	err = server.Shutdown(context.WithoutCancel(ctx)) // requests under way are answered
	return errors.Join(err, <-ended, <-ended, <-ended, broker.Close())
}

// openShop opens the database, and creates the tables.
func openShop(ctx context.Context, url, schema string) (*shop, error) {
	pool, err := pgxpool.New(ctx, url)
	if err != nil {
		return nil, err
	}
	cfg := postgres.Config{Schema: schema}
	s := &shop{pool: pool, schema: schema}
	if err = postgres.Migrate(ctx, pool, cfg); err == nil {
		_, err = pool.Exec(ctx, s.sql(`CREATE TABLE IF NOT EXISTS {}.purchase (id bigserial PRIMARY KEY, email text NOT NULL);
			CREATE TABLE IF NOT EXISTS {}.sent (purchase bigint, job text)`))
	}
	if err == nil {
		s.db, err = postgres.New(pool, cfg)
	}
	if err == nil {
		s.outbox, err = outbox.New(s.db, outbox.Config{Destinations: []string{"emails"}})
	}
	if err != nil {
		pool.Close()
		return nil, err
	}
	return s, nil
}
