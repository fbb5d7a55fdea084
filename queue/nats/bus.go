package nats

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"
	"time"

	natsgo "github.com/nats-io/nats.go"

	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/internal/answering"
)

// bus implements queue.Bus over requests of NATS itself, without JetStream.
type bus struct {
	access *access
	root   string // of subjects, with a dot at its end
	keeper sync.WaitGroup
	wake   chan struct{} // capacity 1: there is something to subscribe

	mu  sync.Mutex
	own map[*answerer]bool
}

// answerer is one call of Answer.
type answerer struct {
	bus     *bus
	subject string
	line    *answering.Line

	mu      sync.Mutex
	link    *link // by which it is subscribed
	sub     *natsgo.Subscription
	stopped bool
}

// Bus returns the bus of that name, on the subjects gentask.bus.NAME.TOPIC. The error wraps
// [queue.ErrConfig] if the name is not valid, [queue.ErrUnavailable] if the broker does not answer,
// and [queue.ErrClosed] after Close. The bus has a connection of its own, and continues until it is
// closed. It does not need JetStream.
func (b *Broker) Bus(ctx context.Context, name string) (queue.Bus, error) {
	if err := b.seam(ctx, name); err != nil {
		return nil, err
	}
	s := &bus{
		access: b.access("bus " + name), root: "gentask.bus." + name + ".",
		wake: make(chan struct{}, 1), own: map[*answerer]bool{},
	}
	call, done := s.access.call(ctx)
	defer done()
	if _, err := s.access.get(call); err != nil {
		err = s.access.failed(ctx, err)
		s.access.close()
		return nil, err
	}
	s.keeper.Go(s.keep)
	return s, nil
}

// keep connects again, and subscribes again, until the bus is closed.
func (b *bus) keep() {
	for b.access.life.Err() == nil {
		wait, lost := time.Duration(0), (<-chan struct{})(nil)
		if l, err := b.connect(); err == nil {
			lost = l.lost
		}
		if lost == nil || b.subscribeAll() != nil {
			wait = retryEvery
		}
		var again <-chan time.Time
		if wait > 0 {
			again = time.After(wait)
		}
		select {
		case <-b.access.life.Done():
		case <-lost:
		case <-b.wake:
		case <-again:
		}
	}
}

func (b *bus) connect() (*link, error) {
	ctx, done := b.access.call(context.Background())
	defer done()
	return b.access.get(ctx)
}

// subscribeAll subscribes what is not subscribed yet.
func (b *bus) subscribeAll() error {
	b.mu.Lock()
	own := make([]*answerer, 0, len(b.own))
	for a := range b.own {
		own = append(own, a)
	}
	b.mu.Unlock()
	var failed []error
	for _, a := range own {
		failed = append(failed, a.subscribe())
	}
	return errors.Join(failed...)
}

// Answer implements queue.Bus.
func (b *bus) Answer(topic string, f func(question []byte) []byte) (stop func(), err error) {
	if err := queue.CheckTopic(topic); err != nil {
		return nil, fmt.Errorf("nats: %w", err)
	}
	if f == nil {
		return nil, fmt.Errorf("nats: %w: f is nil, must be a function", queue.ErrConfig)
	}
	b.mu.Lock()
	if err := b.access.closed(); err != nil {
		b.mu.Unlock()
		return nil, err
	}
	a := &answerer{bus: b, subject: b.root + topic, line: answering.Start(f)}
	b.own[a] = true
	b.mu.Unlock()
	if err := a.subscribe(); errors.Is(err, queue.ErrConfig) {
		a.stop()
		return nil, err
	}
	select {
	case b.wake <- struct{}{}: // for what has failed
	default:
	}
	return a.stop, nil
}

// subscribe subscribes at the present connection, if that has not happened, and returns when the
// server has applied that. Without a connection there is nothing to do.
func (a *answerer) subscribe() error {
	l := a.bus.access.current()
	a.mu.Lock()
	defer a.mu.Unlock()
	if l == nil || a.link == l || a.stopped {
		return nil
	}
	sub, err := l.nc.Subscribe(a.subject, func(m *natsgo.Msg) { a.ask(l, m) })
	if err != nil {
		return err
	}
	ctx, done := a.bus.access.call(context.Background())
	defer done()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer l.refusals.await(a.subject, cancel)()
	err = l.nc.FlushWithContext(ctx)
	if refused := l.refusal(ctx, a.subject); refused != nil { // it may have ended the flush
		_ = sub.Unsubscribe()
		return fmt.Errorf("nats: %w: the user may not subscribe to %q, must have that right: %w",
			queue.ErrConfig, a.subject, refused)
	}
	if err != nil {
		_ = sub.Unsubscribe()
		return err
	}
	a.link, a.sub = l, sub
	return nil
}

// refusal returns why the server does not let the user subscribe a subject: the error that has
// ended ctx, or the server's last one. Nil means that it is about another subject, or there is
// none.
func (l *link) refusal(ctx context.Context, subject string) error {
	for _, err := range []error{context.Cause(ctx), l.nc.LastError()} {
		if isAbout(err, subject) {
			return err
		}
	}
	return nil
}

// isAbout reports whether err is the server's that a subject can't be used.
func isAbout(err error, subject string) bool {
	if err == nil || !errors.Is(err, natsgo.ErrPermissionViolation) {
		return false
	}
	m := about.FindStringSubmatch(err.Error())
	return m != nil && m[2] == subject
}

// ask hands a question to the function.
func (a *answerer) ask(l *link, m *natsgo.Msg) {
	if m.Reply == "" {
		return
	}
	a.line.Ask(m.Data, func(answer []byte) { _ = l.nc.Publish(m.Reply, answer) }) // it may be lost
}

// stop ends the answerer, and waits for the function.
func (a *answerer) stop() {
	a.bus.mu.Lock()
	delete(a.bus.own, a)
	a.bus.mu.Unlock()
	a.mu.Lock()
	a.stopped = true
	sub := a.sub
	a.mu.Unlock()
	if sub != nil {
		_ = sub.Unsubscribe() // the connection may be over
	}
	a.line.Stop()
}

// Ask implements queue.Bus.
func (b *bus) Ask(ctx context.Context, topic string, question []byte) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		if err := queue.CheckTopic(topic); err != nil {
			yield(nil, fmt.Errorf("nats: %w", err))
			return
		}
		err := b.ask(ctx, b.root+topic, question, func(answer []byte) bool { return yield(answer, nil) })
		if err != nil {
			yield(nil, err)
		}
	}
}

// ask yields answers until ctx or the loop ends, or there is an error.
func (b *bus) ask(ctx context.Context, subject string, question []byte, yield func([]byte) bool) error {
	err := b.askBy(ctx, subject, question, yield)
	if ctx.Err() != nil && b.access.life.Err() == nil {
		err = nil // it is over
	}
	return b.access.failed(ctx, err)
}

func (b *bus) askBy(ctx context.Context, subject string, question []byte, yield func([]byte) bool) error {
	if err := errors.Join(b.access.closed(), ctx.Err()); err != nil {
		return err
	}
	call, done := b.access.call(ctx)
	defer done()
	l, err := b.access.get(call)
	if err != nil {
		return err
	}
	if most := l.nc.MaxPayload(); int64(len(question)) > most {
		return fmt.Errorf("nats: %w: question of %d bytes, the server takes %d", queue.ErrTooLarge, len(question), most)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(b.access.life, func() { cancel(queue.ErrClosed) })()
	defer l.refusals.await(subject, cancel)()
	answers, err := l.nc.SubscribeSync(l.nc.NewInbox())
	if err != nil {
		return err
	}
	defer func() { _ = answers.Unsubscribe() }()
	if err := answers.SetPendingLimits(-1, -1); err != nil { // each node answers once
		return err
	}
	if err := l.nc.PublishRequest(subject, answers.Subject, question); err != nil {
		return err
	}
	for {
		m, err := answers.NextMsgWithContext(ctx)
		if errors.Is(err, natsgo.ErrNoResponders) {
			continue // until ctx ends, as if there were some that do not answer
		}
		if err != nil {
			return errors.Join(context.Cause(ctx), err)
		}
		if !yield(m.Data) {
			return nil
		}
	}
}

// Close implements queue.Bus.
func (b *bus) Close() error {
	b.access.end()
	b.mu.Lock()
	own := b.own
	b.own = map[*answerer]bool{}
	b.mu.Unlock()
	for a := range own {
		a.stop()
	}
	b.keeper.Wait()
	b.access.close()
	return nil
}
