package nats

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// maxWaiting is the most requests for messages that the server keeps per queue. A session has at
// most a handful.
const maxWaiting = 4096

// makeStream creates the stream of a queue, or checks the existing one.
func (b *Broker) makeStream(ctx context.Context, l *link, name string) error {
	look := func(ctx context.Context) (jetstream.Stream, error) { return l.js.Stream(ctx, name) }
	s, err := ask(ctx, l, look)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		s, err = l.js.CreateStream(ctx, b.streamConfig(name))
		if errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) {
			s, err = ask(ctx, l, look) // created meanwhile, from another Config
		}
	}
	if err != nil {
		return fmt.Errorf("nats: stream %q: %w", name, l.answer(ctx, err))
	}
	if diff := b.streamDifferences(s.CachedInfo().Config); len(diff) > 0 {
		return &MismatchError{Kind: "stream", Name: name, Differences: diff}
	}
	return nil
}

func (b *Broker) streamConfig(name string) jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name:        name,
		Description: "gentask queue",
		Subjects:    []string{name},
		Retention:   jetstream.WorkQueuePolicy,
		Storage:     jetstream.FileStorage,
		// with a limit that was set by hand the publisher gets an error, and no message is lost
		Discard:    jetstream.DiscardNew,
		Replicas:   max(b.config.Replicas, 1),
		Duplicates: max(b.config.Duplicates, 0), // 0: the server's default
	}
}

// streamDifferences lists the properties that would lose messages or deliver none. Limits of size
// are the operator's decision.
func (b *Broker) streamDifferences(have jetstream.StreamConfig) []string {
	want := b.streamConfig(have.Name)
	var diff differences
	diff.add(slices.Contains(have.Subjects, want.Name), "subjects are %q, must have %q", have.Subjects, want.Name)
	diff.add(have.Retention == want.Retention, "retention is %v, must be %v", have.Retention, want.Retention)
	diff.add(have.Storage == want.Storage, "storage is %v, must be %v", have.Storage, want.Storage)
	diff.add(have.Discard == want.Discard, "discard policy is %v, must be %v", have.Discard, want.Discard)
	diff.add(have.MaxAge == 0, "max age is %v, must be unlimited", have.MaxAge)
	diff.add(!have.NoAck, "no-ack is on, must be off")
	diff.add(!have.Sealed, "it is sealed, must not be")
	diff.add(b.config.Replicas == 0 || have.Replicas == want.Replicas, "replicas are %d, Config.Replicas is %d",
		have.Replicas, want.Replicas)
	diff.add(want.Duplicates == 0 || have.Duplicates == want.Duplicates,
		"duplicate window is %v, Config.Duplicates is %v", have.Duplicates, want.Duplicates)
	return diff
}

// makeConsumer creates the consumer that all sessions of a queue share, or checks the existing one.
// It returns the queue's lease.
func (b *Broker) makeConsumer(ctx context.Context, l *link, name string) (time.Duration, error) {
	look := func(ctx context.Context) (jetstream.Consumer, error) { return l.js.Consumer(ctx, name, consumerName) }
	c, err := ask(ctx, l, look)
	if errors.Is(err, jetstream.ErrConsumerNotFound) {
		c, err = l.js.CreateConsumer(ctx, name, b.consumerConfig())
		if errors.Is(err, jetstream.ErrConsumerExists) {
			c, err = ask(ctx, l, look) // created meanwhile, from another Config
		}
	}
	if err != nil {
		return 0, fmt.Errorf("nats: consumer %q of stream %q: %w", consumerName, name, l.answer(ctx, err))
	}
	have := c.CachedInfo().Config
	if diff := b.consumerDifferences(have); len(diff) > 0 {
		return 0, &MismatchError{Kind: "consumer", Name: name + " > " + consumerName, Differences: diff}
	}
	return have.AckWait, nil
}

// consumerConfig returns the consumer's configuration. The prefetch is not MaxAckPending, because
// that is one number for all sessions together.
func (b *Broker) consumerConfig() jetstream.ConsumerConfig {
	lease := b.config.Lease
	if lease == 0 {
		lease = defaultLease
	}
	return jetstream.ConsumerConfig{
		Durable:       consumerName,
		Description:   "gentask sessions",
		DeliverPolicy: jetstream.DeliverAllPolicy,
		AckPolicy:     jetstream.AckExplicitPolicy,
		AckWait:       lease,
		MaxDeliver:    -1,
		MaxAckPending: -1,
		MaxWaiting:    maxWaiting,
		ReplayPolicy:  jetstream.ReplayInstantPolicy,
	}
}

func (b *Broker) consumerDifferences(have jetstream.ConsumerConfig) []string {
	want := b.consumerConfig()
	var diff differences
	diff.add(have.AckPolicy == want.AckPolicy, "ack policy is %v, must be %v", have.AckPolicy, want.AckPolicy)
	diff.add(have.DeliverPolicy == want.DeliverPolicy, "deliver policy is %v, must be %v", have.DeliverPolicy,
		want.DeliverPolicy)
	diff.add(have.MaxDeliver <= 0, "max deliver is %d, must be unlimited (-1)", have.MaxDeliver)
	diff.add(have.MaxAckPending <= 0, "max ack pending is %d, must be unlimited (-1)", have.MaxAckPending)
	diff.add(len(have.BackOff) == 0, "back-off is %v, must be none", have.BackOff)
	diff.add(have.FilterSubject == "" && len(have.FilterSubjects) == 0, "it has a filter, must have none")
	diff.add(b.config.Lease == 0 || have.AckWait == want.AckWait, "ack wait is %v, Config.Lease is %v", have.AckWait,
		want.AckWait)
	return diff
}

// differences collects the properties whose values are invalid.
type differences []string

func (d *differences) add(same bool, format string, args ...any) {
	if !same {
		*d = append(*d, fmt.Sprintf(format, args...))
	}
}
