package watermill

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/gentask/gentask/queue"
)

// Queue is a topic as a [queue.Source] and a [queue.Publisher]. It must be made by [New]. It is
// safe for concurrent use.
type Queue struct {
	subscriber message.Subscriber
	topic      string
	cfg        Config
	sending    sync.WaitGroup // calls of publishers, which take no context

	mu          sync.Mutex
	initialized bool
	closed      bool
}

var (
	_ queue.Source    = (*Queue)(nil)
	_ queue.Named     = (*Queue)(nil)
	_ queue.Publisher = (*Queue)(nil)
)

// New makes a queue of a topic. It returns an error that wraps queue.ErrConfig and names everything
// that is not right. The subscriber and the publishers stay the caller's, who closes them after the
// queue's sessions.
func New(subscriber message.Subscriber, topic string, cfg Config) (*Queue, error) {
	var errs []error
	if subscriber == nil {
		errs = append(errs, fmt.Errorf(
			"watermill: %w: subscriber is nil: right would be one of the topic's broker", queue.ErrConfig))
	}
	if topic == "" {
		errs = append(errs, fmt.Errorf("watermill: %w: topic is empty: right would be a name", queue.ErrConfig))
	}
	if err := errors.Join(append(errs, cfg.check())...); err != nil {
		return nil, err
	}
	if cfg.DeadTopic == "" {
		cfg.DeadTopic = topic + ".dead"
	}
	return &Queue{subscriber: subscriber, topic: topic, cfg: cfg}, nil
}

// Name returns the topic.
func (q *Queue) Name() string { return q.topic }

// Open subscribes, and starts a session. It returns ErrNoDelay, which wraps queue.ErrConfig, when a
// requeue with a delay would be impossible. A subscriber that blocks for longer than ctx is left to
// it: its subscription ends as soon as it is there.
func (q *Queue) Open(ctx context.Context, opts queue.Options) (queue.Session, error) {
	switch {
	case opts.Prefetch < 1:
		return nil, fmt.Errorf("watermill: %w: Options.Prefetch is %d: right would be 1 or more", queue.ErrConfig,
			opts.Prefetch)
	case q.cfg.Delayed == nil && !q.cfg.Hold:
		return nil, fmt.Errorf("%w: %w", queue.ErrConfig, ErrNoDelay)
	}
	s := newSession(q, opts.Prefetch)
	if err := q.do(ctx, func() error { return s.subscribe(q.cfg.subscriptions(opts.Prefetch)) }); err != nil {
		s.fail(err)
		return nil, fmt.Errorf("watermill: subscribe to %q: %w", q.topic, err)
	}
	return s, nil
}

// Publish publishes one message after the other. Its error lists the messages for which the
// publisher returned an error, and those that were not published when ctx ended. A publisher that
// blocks for longer continues in the background, and may still succeed: [Queue.Close] waits for it.
func (q *Queue) Publish(ctx context.Context, msgs ...queue.Message) error {
	var failed []queue.PublishFailure
	for _, m := range msgs {
		m = complete(m)
		if err := q.publish(ctx, m); err != nil {
			failed = append(failed, queue.PublishFailure{ID: m.ID, Err: err})
		}
	}
	if len(failed) > 0 {
		return &queue.PublishError{Failed: failed}
	}
	return nil
}

// Close makes later calls fail, and waits for calls of the publishers that are still running. It
// closes neither subscriber nor publishers; if one of them blocks, close it before.
func (q *Queue) Close() {
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
	q.sending.Wait()
}

// send publishes a message, and returns when ctx ends at the latest.
func (q *Queue) send(ctx context.Context, p message.Publisher, topic string, msg *message.Message) error {
	msg.SetContext(ctx)
	return q.do(ctx, func() error { return p.Publish(topic, msg) })
}

// do runs a call that takes no context, and returns when ctx ends at the latest.
func (q *Queue) do(ctx context.Context, call func() error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	q.mu.Lock()
	if q.closed {
		q.mu.Unlock()
		return queue.ErrClosed
	}
	q.sending.Add(1)
	q.mu.Unlock()
	result := make(chan error, 1) // buffered: the caller may have gone
	go func() {
		defer q.sending.Done()
		result <- call()
	}()
	select {
	case err := <-result:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// initialize creates the topics if the subscriber supports that, so that no message is published
// before there is one.
func (q *Queue) initialize() error {
	q.mu.Lock()
	done := q.initialized
	q.mu.Unlock()
	if done {
		return nil
	}
	if i, ok := q.subscriber.(message.SubscribeInitializer); ok {
		for _, topic := range []string{q.topic, q.cfg.DeadTopic} {
			if err := i.SubscribeInitialize(topic); err != nil {
				return err
			}
		}
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.initialized = true
	return nil
}
