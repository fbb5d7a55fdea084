package outbox

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/postgres"
	"github.com/gentask/gentask/task"
)

// Relay publishes what is in the outbox, until ctx ends. Each message goes to the publisher of its
// destination, and is removed when that has confirmed it. Any number of nodes may relay, and each
// may have publishers for some destinations only.
//
// It is a consumer for each destination, and drains as [gentask.Run] does. While a destination is
// out of order, its messages wait, for however long, and the others go on. A message that the
// publisher refuses, with [queue.ErrConfig] or [queue.ErrUnsupported], becomes a dead letter after
// three attempts. Messages of one key are published in order: a failed one holds up those behind
// it.
//
// A message may be published more than once: after a crash between the confirm and the removal, and
// when a confirm is lost. It then has the same ID. A destination that implements
// [queue.Deduplicator] drops the repetition.
//
// Relay also ends when one of the consumers has given up. It returns when all of them have ended,
// with the errors of those that gave up or could not drain. The publishers must be safe for
// concurrent use, and stay the caller's to close.
func (o *Outbox) Relay(ctx context.Context, publishers map[string]queue.Publisher) error {
	if err := o.checkPublishers(publishers); err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var wg sync.WaitGroup
	errs := make(chan error, len(publishers))
	for to, publisher := range publishers {
		wg.Go(func() {
			defer stop()
			if err := o.relay(ctx, to, publisher); err != nil {
				errs <- fmt.Errorf("outbox: relay to %q: %w", to, err)
			}
		})
	}
	wg.Wait()
	close(errs)
	var all []error
	for err := range errs {
		all = append(all, err)
	}
	return errors.Join(all...)
}

// checkPublishers returns an error for publishers that are none, and destinations that are none.
func (o *Outbox) checkPublishers(publishers map[string]queue.Publisher) error {
	var errs []error
	if len(publishers) == 0 {
		errs = append(errs, fmt.Errorf("outbox: %w: Relay has no publishers, must have one for each destination",
			queue.ErrConfig))
	}
	for to, publisher := range publishers {
		if publisher == nil {
			errs = append(errs, fmt.Errorf("outbox: %w: the publisher of %q is nil", queue.ErrConfig, to))
		}
		if _, err := o.wrap(to, nil); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// Times of a relay. They are short, because a destination that is back should be used at once.
const (
	retryBase, retryMost     = 200 * time.Millisecond, 10 * time.Second
	breakerBase, breakerMost = time.Second, 5 * time.Second
	breakerWindow            = 10 * time.Second
	breakerRate              = 0.9
	refusedMost              = 3 // attempts of a message that the publisher refuses
	prefetchFactor           = 4
)

// relay runs the consumer of one destination.
func (o *Outbox) relay(ctx context.Context, to string, publisher queue.Publisher) error {
	r := &relayer{publisher: publisher}
	return gentask.Run(ctx, o.Queue(to), gentask.Handle(r.publish), gentask.Config{
		Concurrency: o.cfg.Concurrency,
		Prefetch:    prefetchFactor * o.cfg.Concurrency,
		Timeout:     o.cfg.Timeout,
		Retry: gentask.Retry{
			MaxAttempts: -1,
			Backoff:     gentask.Backoff{Base: retryBase, Max: retryMost},
			Rules:       []gentask.Rule{{When: refused, MaxAttempts: refusedMost}},
		},
		Decode:  func(*queue.Message, any) error { return nil }, // the body is the destination's
		OnEvent: o.cfg.OnEvent,
		Logger:  o.cfg.Logger,
		Policy: gentask.Policy{
			Order: gentask.Order{Key: gentask.KeyHeader(postgres.HeaderGroup), Strict: true, Hold: -1},
			Breaker: gentask.Breaker{
				FailureRate: breakerRate, Window: breakerWindow,
				Wait: gentask.Backoff{Base: breakerBase, Max: breakerMost},
			},
		},
	})
}

// refused matches a message that the publisher has refused for what it is.
func refused(_ task.Status, reason error) bool {
	return errors.Is(reason, queue.ErrConfig) || errors.Is(reason, queue.ErrUnsupported)
}

// relayer publishes to one destination.
type relayer struct {
	publisher queue.Publisher
	unique    atomic.Int32 // whether the publisher supports unique keys: see uniqueness
}

// Whether a publisher supports unique keys.
const (
	uniqueUnknown int32 = iota // it has not been asked, or has not answered
	uniqueNever
	uniqueWindow
)

// publish publishes the message of the job in ctx. It is a job of gentask.
func (r *relayer) publish(ctx context.Context, _ []byte) error {
	job, _ := gentask.FromContext(ctx)
	m, token := unwrap(job.Message())
	dedups, err := r.deduplicates(ctx)
	switch {
	case err != nil:
		return err
	case m.UniqueUntil == queue.UntilDone: // the destination compares it, or refuses it
	case !dedups:
		m.UniqueKey = "" // the outbox has compared it
	case m.UniqueKey == "":
		m.UniqueKey = token
	}
	return r.publisher.Publish(ctx, m)
}

// deduplicates reports whether the publisher supports unique keys. It asks until it gets an answer.
func (r *relayer) deduplicates(ctx context.Context) (bool, error) {
	if known := r.unique.Load(); known != uniqueUnknown {
		return known == uniqueWindow, nil
	}
	answer := uniqueNever
	if d, ok := r.publisher.(queue.Deduplicator); ok {
		switch _, err := d.UniqueWindow(ctx); {
		case err == nil:
			answer = uniqueWindow
		case !errors.Is(err, queue.ErrUnsupported):
			return false, err
		}
	}
	r.unique.Store(answer)
	return answer == uniqueWindow, nil
}

// unwrap returns the message as it was handed to PublishTx, with its ID, and its token.
func unwrap(m queue.Message) (message queue.Message, token string) {
	headers := maps.Clone(m.Headers)
	token = headers[headerToken]
	m.UniqueKey = headers[headerUnique]
	if headers[headerUntil] == queue.UntilDone.String() {
		m.UniqueUntil = queue.UntilDone
	}
	m.Priority, _ = strconv.Atoi(headers[headerPriority])
	for _, name := range []string{
		headerToken, headerUnique, headerUntil, headerPriority,
		queue.HeaderAttempts, queue.HeaderReason, queue.HeaderStack, queue.HeaderLog, queue.HeaderQueue,
		queue.HeaderDeadAt,
	} {
		delete(headers, name)
	}
	m.Headers, m.NotBefore = headers, time.Time{}
	return m, token
}
