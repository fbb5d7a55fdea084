// Service is a whole service: an HTTP API that publishes jobs, the worker that does them, probes,
// logs, and a shutdown that loses nothing. Its broker is a JetStream server inside the process,
// durable in a directory, so it needs nothing but Go.
//
//	go run ./examples/service
//	curl -d '{"to": "anna@example.com"}' -H 'Idempotency-Key: welcome-anna' localhost:8080/emails
//	curl localhost:8080/readyz
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/embedded"
)

// Email is a payload.
type Email struct {
	To string `json:"to"`
}

// Emails is the kind of message that the API publishes and the worker does.
var Emails = gentask.NewKind[Email]("email")

// send is the job. An error, a panic and a timeout are tried again, with back-off.
func send(_ context.Context, e Email) error {
	if e.To == "" {
		return gentask.DeadLetter(errors.New("no address")) // to the dead letters at once
	}
	slog.Info("sent", "to", e.To)
	return nil
}

func main() {
	dir := flag.String("dir", "service-data", "directory of the broker's files")
	addr := flag.String("addr", "localhost:8080", "where the API listens")
	flag.Parse()
	slog.SetDefault(slog.New(slog.NewJSONHandler(os.Stderr, nil)))
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // the first signal drains, a second one ends the process at once
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", *addr)
	if err == nil {
		err = run(ctx, *dir, listener)
	}
	if err != nil {
		slog.Error("service ends", "error", err)
		os.Exit(1)
	}
}

// run serves until ctx ends or the worker gives up. It returns when all is drained.
func run(ctx context.Context, dir string, listener net.Listener) error {
	broker, err := embedded.Open(dir)
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	emails := broker.Queue("emails")
	worker, err := gentask.New(emails, gentask.MuxKinds(
		Emails.Handle(send, gentask.KindOptions{Timeout: 10 * time.Second, MaxAttempts: 10}),
	), gentask.Config{Concurrency: 20, DrainTimeout: 20 * time.Second})
	if err != nil {
		return errors.Join(err, listener.Close(), broker.Close())
	}

	ctx, stop := context.WithCancel(ctx)
	defer stop()
	ended := make(chan error)
	go func() {
		defer stop() // no API without a worker
		ended <- worker.Run(ctx)
	}()
	server := &http.Server{Handler: routes(emails, worker), ReadHeaderTimeout: 5 * time.Second}
	context.AfterFunc(ctx, func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 20*time.Second)
		defer cancel()
		ended <- server.Shutdown(ctx) // requests under way are answered
	})
	slog.Info("listening", "addr", listener.Addr().String())
	if err = server.Serve(listener); errors.Is(err, http.ErrServerClosed) {
		err = nil
	}
	stop()
	return errors.Join(err, <-ended, <-ended, broker.Close())
}

func routes(emails queue.Publisher, worker *gentask.Consumer) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /readyz", gentask.HealthHandler(worker))
	mux.Handle("GET /livez", gentask.LivenessHandler(worker))
	mux.HandleFunc("POST /emails", func(w http.ResponseWriter, r *http.Request) {
		var e Email
		if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 64<<10)).Decode(&e); err != nil {
			http.Error(w, "want JSON like {\"to\": \"anna@example.com\"}", http.StatusBadRequest)
			return
		}
		// The message is durable before the client has its answer; a repeated request is no second
		// job.
		job, err := Emails.Publish(r.Context(), emails, e, queue.Message{UniqueKey: r.Header.Get("Idempotency-Key")})
		if err != nil {
			slog.Error("not published", "error", err)
			http.Error(w, "try again later", http.StatusServiceUnavailable)
			return
		}
		w.WriteHeader(http.StatusAccepted)
		_ = json.NewEncoder(w).Encode(map[string]any{"id": job.ID, "duplicate": job.Duplicate})
	})
	return mux
}
