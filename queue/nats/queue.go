package nats

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/gentask/gentask/queue"
)

// Queue is one queue of a [Broker]: a [queue.Source] and a [queue.Publisher]. It is created at the
// server when it is first used. It needs no closing. It is safe for concurrent use.
type Queue struct {
	broker *Broker
	name   string
}

// Name returns the queue's name.
func (q *Queue) Name() string { return q.name }

// System returns "nats", for [queue.SystemNamed].
func (*Queue) System() string { return "nats" }

// Publish implements [queue.Publisher]. It creates the queue if there is none. A message is
// confirmed, and not stored again, if its UniqueKey was published within [Config.Duplicates].
// Without a UniqueKey its ID is compared. If the server confirms nothing for 5 s, the remaining
// messages fail, and may be published again.
func (q *Queue) Publish(ctx context.Context, msgs ...queue.Message) error {
	p, err := q.publish(ctx, msgs)
	if p == nil && err != nil {
		return failAll(msgs, err)
	}
	return err
}

// PublishResults implements queue.ResultPublisher. A Duplicate is what the server, or the record of
// its key, has dropped.
func (q *Queue) PublishResults(ctx context.Context, msgs ...queue.Message) ([]queue.PublishResult, error) {
	p, err := q.publish(ctx, msgs)
	results := make([]queue.PublishResult, len(msgs))
	for i := range results {
		if p == nil { // nothing was sent
			results[i] = queue.PublishResult{ID: msgs[i].ID, Err: err}
			continue
		}
		one := &p.pending[i]
		results[i] = queue.PublishResult{ID: one.id, Duplicate: one.duplicate && one.err == nil, Err: one.err}
	}
	if p == nil && err != nil {
		err = failAll(msgs, err)
	}
	return results, err
}

// publish returns a *queue.PublishError about some of msgs, or, with a nil publication, why nothing
// was sent.
func (q *Queue) publish(ctx context.Context, msgs []queue.Message) (*publication, error) {
	if len(msgs) == 0 {
		return nil, nil
	}
	l, err := q.ready(ctx)
	if err != nil {
		return nil, err
	}
	p := &publication{link: l}
	var keys []keyed
	for i, m := range msgs {
		m = complete(m)
		if m.UniqueKey != "" {
			keys = append(keys, keyed{at: i, subject: keySubject(q.name, m.UniqueKey)})
		}
		p.add(q.name, encode(q.name, q.broker.config.dedup(m), m), m.ID)
		p.refuse(q.broker.config.checkOrder(&m))
	}
	failed := q.withKeys(ctx, p, keys)
	if len(failed) == 0 {
		return p, nil
	}
	q.broker.remember(l, q.name, false) // the stream may be gone: the next Publish looks
	return p, &queue.PublishError{Failed: failed}
}

// failAll returns the error of a Publish that sent nothing.
func failAll(msgs []queue.Message, err error) error {
	failed := make([]queue.PublishFailure, len(msgs))
	for i, m := range msgs {
		failed[i] = queue.PublishFailure{ID: m.ID, Err: err}
	}
	return &queue.PublishError{Failed: failed}
}

// ready returns the publishing connection, after it has created or checked the queue.
func (q *Queue) ready(ctx context.Context) (*link, error) {
	if err := checkName(q.name); err != nil {
		return nil, err
	}
	l, err := q.broker.publisher(ctx)
	if err != nil {
		return nil, err
	}
	if q.broker.hasFound(l, q.name) {
		return l, nil
	}
	if _, err := q.broker.makeStream(ctx, l, q.name); err != nil {
		return nil, err
	}
	q.broker.remember(l, q.name, true)
	return l, nil
}

// Open implements [queue.Source]. It connects, creates or checks the queue and its dead-letter
// queue, and requests the first messages. Options.Name is shown at the server in the name of the
// connection.
func (q *Queue) Open(ctx context.Context, opts queue.Options) (queue.Session, error) {
	if err := checkName(q.name); err != nil {
		return nil, err
	}
	if opts.Prefetch < 1 {
		return nil, fmt.Errorf("nats: %w: Options.Prefetch is %d, must be at least 1", queue.ErrConfig, opts.Prefetch)
	}
	if q.broker.isClosed() {
		return nil, fmt.Errorf("nats: broker: %w", queue.ErrClosed)
	}
	l, err := q.broker.connect(ctx, q.broker.config.name(opts.Name))
	if err != nil {
		return nil, err
	}
	s, err := q.start(ctx, l, opts.Prefetch)
	if err != nil {
		l.close()
		return nil, unavailable(err)
	}
	return s, nil
}

// start makes all requests that a session needs. It does not wait long, because a server that can't
// be reached now may be reached over the next connection.
func (q *Queue) start(ctx context.Context, l *link, prefetch int) (*session, error) {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	stream, err := q.broker.makeStream(ctx, l, q.name)
	if err != nil {
		return nil, err
	}
	if err := q.makeDead(ctx, l); err != nil {
		return nil, err
	}
	consumer, err := q.broker.makeConsumer(ctx, l, q.name)
	if err != nil {
		return nil, err
	}
	s := newSession(l, q.name, prefetch, termsOf(q.name, stream, consumer), q.broker.config.DoubleAck)
	s.look = func(ctx context.Context) (terms, error) { return q.examine(ctx, l) }
	s.makePlace, s.lookAtPlace = q.makeSuspects, q.lookAtSuspects
	if err := s.start(ctx); err != nil {
		return nil, err
	}
	l.strict.Store(true)
	watching, stop := context.WithCancel(context.WithoutCancel(ctx))
	s.keeper.Go(func() { s.watch(watching, q.broker.hasMore()) })
	s.keeper.Go(func() { s.keep(stop) })
	return s, nil
}

// makeDead creates or checks the dead-letter queue. If it was found before, it may have no leader
// at the moment, because only dead letters need it, and jobs do not.
func (q *Queue) makeDead(ctx context.Context, l *link) error {
	name := q.name + deadSuffix
	if !q.broker.seen(name) {
		_, err := q.broker.makeStream(ctx, l, name)
		if err == nil {
			q.broker.see(name)
		}
		return err
	}
	one, cancel := context.WithTimeout(ctx, askEvery)
	defer cancel()
	_, err := q.broker.makeStream(one, l, name)
	if err != nil && ctx.Err() == nil && (one.Err() != nil || notNow(err)) {
		return l.lostIfOver()
	}
	return err
}

// DeadLetters returns the oldest dead letters, at most limit, and removes none. See [Queue.Letters]
// for other operations.
func (q *Queue) DeadLetters(ctx context.Context, limit int) ([]queue.Message, error) {
	if limit < 1 {
		return nil, nil
	}
	var letters []queue.Message
	for letter, err := range q.Letters().All(ctx, queue.LetterFilter{}) {
		if err != nil {
			return letters, err
		}
		if letters = append(letters, letter.Message); len(letters) >= limit {
			break
		}
	}
	return letters, nil
}

// Inspect implements queue.Inspector. Held includes those that wait for their time after a
// delivery, and Delayed and Consumers are queue.CountUnknown. A queue that was never opened has
// nothing held.
func (q *Queue) Inspect(ctx context.Context) (queue.Stats, error) {
	l, err := q.ready(ctx)
	if err != nil {
		return queue.Stats{}, err
	}
	stats, err := q.inspect(ctx, l)
	if err != nil {
		return queue.Stats{}, fmt.Errorf("nats: inspect %q: %w", q.name, l.answer(ctx, err))
	}
	return stats, nil
}

// Backlog implements [queue.BacklogReporter]. It counts the messages that were never delivered, and
// not those that were lost with another session. It is 0 while the consumer is paused at the
// server. It uses the connection for publishing.
func (q *Queue) Backlog(ctx context.Context) (int, error) {
	l, err := q.ready(ctx)
	if err != nil {
		return 0, err
	}
	c, err := l.consumerInfo(ctx, q.name)
	if errors.Is(err, jetstream.ErrConsumerNotFound) {
		return stored(ctx, l, q.name) // no session was ever opened
	}
	if err != nil {
		return 0, fmt.Errorf("nats: consumer of %q: %w", q.name, l.answer(ctx, err))
	}
	if c.Paused {
		return 0, nil
	}
	return c.Pending, nil
}

func (q *Queue) inspect(ctx context.Context, l *link) (queue.Stats, error) {
	stats := queue.Stats{Delayed: queue.CountUnknown, Consumers: queue.CountUnknown}
	c, err := l.js.Consumer(ctx, q.name, consumerName)
	switch {
	case err == nil:
		stats.Held = c.CachedInfo().NumAckPending
	case errors.Is(err, jetstream.ErrConsumerNotFound):
	default:
		return stats, err
	}
	left, err := stored(ctx, l, q.name)
	if err != nil {
		return stats, err
	}
	suspects, err := stored(ctx, l, q.name+suspectsSuffix)
	if err != nil {
		return stats, err
	}
	// from the stream's own count, because a new consumer does not have its own yet
	stats.Ready = max(left-stats.Held, 0) + suspects
	stats.DeadLettered, err = stored(ctx, l, q.name+deadSuffix)
	return stats, err
}

// stored returns the number of messages in a stream; 0 if it does not exist.
func stored(ctx context.Context, l *link, stream string) (int, error) {
	s, err := l.js.Stream(ctx, stream)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	return int(s.CachedInfo().State.Msgs), nil
}
