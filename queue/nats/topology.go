package nats

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/gentask/gentask/queue"
)

// maxWaiting is the most requests for messages that the server keeps per queue. A session has at
// most a handful.
const maxWaiting = 4096

// makeStream creates the stream of a queue, or checks the existing one. It returns the properties.
func (b *Broker) makeStream(ctx context.Context, l *link, name string) (properties, error) {
	have, err := b.findStream(ctx, l, name, b.streamConfig(name))
	if err != nil {
		return nil, fmt.Errorf("nats: stream %q: %w", name, l.answer(ctx, err))
	}
	return have, mismatch("stream", name, b.streamRules(name).differences(have))
}

// findStream returns the properties of a stream, after it has created it if there was none.
func (b *Broker) findStream(ctx context.Context, l *link, name string, config jetstream.StreamConfig) (properties,
	error,
) {
	look := func(ctx context.Context) (*info, error) { return l.streamInfo(ctx, name) }
	have, err := ask(ctx, l, look)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		_, err = l.js.CreateStream(ctx, config)
		if err == nil || errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) {
			have, err = ask(ctx, l, look) // it may have been created meanwhile, from another Config
		}
	}
	if err != nil {
		return nil, needsSize(err)
	}
	return have.Config, nil
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
		MaxBytes:   b.config.MaxBytes,
		Replicas:   max(b.config.Replicas, 1),
		Duplicates: max(b.config.Duplicates, 0), // 0: the server's default
	}
}

// makeConsumer creates the consumer that all sessions of a queue share, or checks the existing one.
func (b *Broker) makeConsumer(ctx context.Context, l *link, name string) (*info, error) {
	look := func(ctx context.Context) (*info, error) { return l.consumerInfo(ctx, name) }
	have, err := ask(ctx, l, look)
	if errors.Is(err, jetstream.ErrConsumerNotFound) {
		_, err = l.js.CreateConsumer(ctx, name, b.consumerConfig())
		if err == nil || errors.Is(err, jetstream.ErrConsumerExists) {
			have, err = ask(ctx, l, look) // it may have been created meanwhile, from another Config
		}
	}
	if err != nil {
		return nil, fmt.Errorf("nats: consumer %q of stream %q: %w", consumerName, name, l.answer(ctx, err))
	}
	return have, b.checkConsumer(name, have.Config)
}

func (b *Broker) checkConsumer(name string, have properties) error {
	return mismatch("consumer", name+" > "+consumerName, b.consumerRules().differences(have))
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

// mismatch returns a [*MismatchError], or nil if there are no differences.
func mismatch(kind, name string, differences []string) error {
	if len(differences) == 0 {
		return nil
	}
	return &MismatchError{Kind: kind, Name: name, Differences: differences}
}

// maxBytesRequired is the error code of JetStream for a stream without max_bytes, in an account
// that requires it.
const maxBytesRequired jetstream.ErrorCode = 10113

// needsSize adds the remedy to that error.
func needsSize(err error) error {
	var api *jetstream.APIError
	if errors.As(err, &api) && api.ErrorCode == maxBytesRequired {
		return fmt.Errorf("%w: Config.MaxBytes is 0, must be the size of each stream in this account: %w",
			queue.ErrConfig, err)
	}
	return err
}
