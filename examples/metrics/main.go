// Metrics is a worker that Prometheus can scrape: jobs from a queue inside the process, and
// everything that package telemetry shows at /metrics. docs/grafana.json is a dashboard for it, and
// docs/alerts.yml has the alerts.
//
//	go -C examples/metrics run .
//	curl localhost:9090/metrics
package main

import (
	"context"
	"errors"
	"flag"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	otelprometheus "go.opentelemetry.io/otel/exporters/prometheus"
	"go.opentelemetry.io/otel/sdk/metric"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/queue/memory"
	"github.com/gentask/gentask/telemetry"
)

func main() {
	addr := flag.String("addr", "localhost:9090", "where /metrics is served")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	listener, err := net.Listen("tcp", *addr)
	if err == nil {
		err = run(ctx, listener)
	}
	if err != nil {
		slog.Error("worker ends", "error", err)
		os.Exit(1)
	}
}

// newMetrics returns a meter provider, and the handler that shows its metrics to Prometheus.
func newMetrics() (*metric.MeterProvider, http.Handler, error) {
	registry := prometheus.NewRegistry()
	exporter, err := otelprometheus.New(otelprometheus.WithRegisterer(registry))
	if err != nil {
		return nil, nil, err
	}
	// OpenMetrics has exemplars: the traces of single jobs.
	handler := promhttp.HandlerFor(registry, promhttp.HandlerOpts{EnableOpenMetrics: true})
	return metric.NewMeterProvider(metric.WithReader(exporter)), handler, nil
}

// Email is the kind of job that the worker does.
var Email = gentask.NewKind[string]("email")

// run works and serves until ctx ends.
func run(ctx context.Context, listener net.Listener) error {
	provider, metrics, err := newMetrics()
	if err != nil {
		return err
	}
	defer func() { _ = provider.Shutdown(context.WithoutCancel(ctx)) }()
	cfg := telemetry.Config{MeterProvider: provider}

	emails := memory.New(memory.Config{Name: "emails"})
	defer emails.Close()
	publisher, err := telemetry.NewPublisher(emails, cfg)
	if err != nil {
		return err
	}
	consumer, err := gentask.New(emails, gentask.MuxKinds(Email.Handle(send)), gentask.Config{
		Retry: gentask.Retry{MaxAttempts: 3, Backoff: gentask.Backoff{Base: 100 * time.Millisecond}},
	})
	if err != nil {
		return err
	}
	stop, err := telemetry.Instrument(consumer, cfg)
	if err != nil {
		return err
	}
	defer stop()

	mux := http.NewServeMux()
	mux.Handle("GET /metrics", metrics)
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	published := make(chan struct{})
	go func() {
		defer close(published)
		publish(ctx, publisher)
	}()
	err = consumer.Run(ctx)
	<-published
	err = errors.Join(err, server.Close())
	if failed := <-served; !errors.Is(failed, http.ErrServerClosed) {
		err = errors.Join(err, failed)
	}
	return err
}

// send is a job: a tenth of the e-mails fail.
func send(ctx context.Context, to string) error {
	select {
	case <-time.After(rand.N(20 * time.Millisecond)): //nolint:gosec // a pretence
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if rand.N(10) == 0 { //nolint:gosec // a pretence
		return errors.New("mail server busy: " + to)
	}
	return nil
}

// publish publishes twenty jobs a second until ctx ends.
func publish(ctx context.Context, to *telemetry.Publisher) {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			if _, err := Email.Publish(ctx, to, "anna@example.com"); err != nil && ctx.Err() == nil {
				slog.Error("not published", "error", err)
			}
		case <-ctx.Done():
			return
		}
	}
}
