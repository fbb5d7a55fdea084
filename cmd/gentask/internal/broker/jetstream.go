package broker

import (
	"context"
	"fmt"
	"slices"

	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/nats"
)

// jetStream is a JetStream server or cluster.
type jetStream struct{ *nats.Broker }

func openJetStream(cfg Config) (Broker, error) {
	b, err := nats.New(cfg.URL, nats.Config{Name: cfg.Name})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrURL, err)
	}
	return &jetStream{b}, nil
}

// System implements Broker.
func (*jetStream) System() string { return "JetStream" }

// Queue implements Broker.
func (j *jetStream) Queue(name string) Queue { return j.Broker.Queue(name) }

// Make implements Broker.
func (j *jetStream) Make(ctx context.Context, name string) (OwnQueue, error) {
	return j.Broker.Queue(name), isNew(ctx, j, name)
}

// Names implements Broker.
func (j *jetStream) Names(ctx context.Context) ([]string, error) { return j.Queues(ctx) }

// Find implements Broker.
func (j *jetStream) Find(ctx context.Context, name string) error { return find(ctx, j, name) }

// Peek implements Broker.
func (j *jetStream) Peek(ctx context.Context, name string, limit int) ([]queue.Message, error) {
	return j.Broker.Queue(name).Peek(ctx, limit)
}

// find looks for a name among those that a broker lists.
func find(ctx context.Context, b Broker, name string) error {
	names, err := b.Names(ctx)
	if err == nil && !slices.Contains(names, name) {
		return fmt.Errorf("%w: %q", ErrNoQueue, name)
	}
	return err
}

// isNew returns ErrQueueExists if a broker lists the name, or that of a stream beside it.
func isNew(ctx context.Context, b Broker, name string) error {
	names, err := b.Names(ctx)
	for _, one := range []string{name, name + "-dead", name + "-suspects"} {
		if slices.Contains(names, one) {
			return fmt.Errorf("%w: %q", ErrQueueExists, one)
		}
	}
	return err
}
