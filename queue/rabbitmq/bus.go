package rabbitmq

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"

	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/internal/answering"
)

// bus implements queue.Bus over a direct exchange, whose routing keys are the topics, and direct
// reply-to.
type bus struct {
	broker   *Broker
	exchange string
	keeper   *keeper[*busLink]
	binder   sync.WaitGroup

	mu  sync.Mutex
	own map[*answerer]bool
}

// answerer is one call of Answer.
type answerer struct {
	bus   *bus
	topic string
	line  *answering.Line
}

// maxTalk is the size of the largest question, and of the largest answer.
const maxTalk = 1 << 20

// Bus returns the bus of that name: the direct exchange gentask.bus.NAME, and a queue
// gentask.node.ID for each bus that answers, which ends with its connection. The error wraps
// [queue.ErrConfig] if the name is not valid or a right is missing, [queue.ErrUnavailable] if the
// broker does not answer, and [queue.ErrClosed] after Close. The bus has a connection of its own,
// and continues until it is closed. See docs/drivers.md for the rights that it needs.
func (b *Broker) Bus(ctx context.Context, name string) (queue.Bus, error) {
	if err := b.checkSeam(ctx, name); err != nil {
		return nil, err
	}
	s := &bus{broker: b, exchange: "gentask.bus." + name, own: map[*answerer]bool{}}
	s.keeper = newKeeper(s.dial)
	call, done := s.keeper.call(ctx)
	defer done()
	if _, err := s.keeper.get(call); err != nil {
		err = s.keeper.failed(ctx, err)
		s.keeper.close()
		return nil, err
	}
	s.binder.Go(s.bindAgain)
	return s, nil
}

// bindAgain binds all topics at each new connection.
func (b *bus) bindAgain() {
	for b.keeper.life.Err() == nil {
		_, changed, _ := b.keeper.state()
		if l, ok := b.keeper.current(); ok {
			for topic := range b.topics() {
				_ = b.bind(l, topic) // an error has ended the connection
			}
		}
		select {
		case <-changed:
		case <-b.keeper.life.Done():
		}
	}
}

// topics returns those that are answered.
func (b *bus) topics() map[string]bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	topics := map[string]bool{}
	for a := range b.own {
		topics[a.topic] = true
	}
	return topics
}

// bind binds a topic at a connection, or unbinds it, as it is answered at that moment.
func (b *bus) bind(l *busLink, topic string) error {
	ctx, done := b.keeper.call(context.Background())
	defer done()
	return l.bind(ctx, topic, func() bool { return b.topics()[topic] })
}

// Answer implements queue.Bus.
func (b *bus) Answer(topic string, f func(question []byte) []byte) (stop func(), err error) {
	if err := queue.CheckTopic(topic); err != nil {
		return nil, fmt.Errorf("rabbitmq: %w", err)
	}
	if f == nil {
		return nil, badConfig("f", "nil", "a function")
	}
	a := &answerer{bus: b, topic: topic, line: answering.Start(f)}
	if err := b.add(a); err != nil {
		a.line.Stop()
		return nil, err
	}
	ctx, done := b.keeper.call(context.Background())
	defer done()
	l, err := b.keeper.get(ctx)
	if err == nil {
		err = b.bind(l, topic)
	}
	err = b.keeper.failed(context.Background(), err)
	if errors.Is(err, queue.ErrConfig) || errors.Is(err, queue.ErrClosed) {
		a.stop()
		return nil, err
	}
	return a.stop, nil // without a connection the next one has it
}

func (b *bus) add(a *answerer) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.keeper.closed(); err != nil {
		return err
	}
	b.own[a] = true
	return nil
}

// stop ends the answerer, and waits for the function.
func (a *answerer) stop() {
	a.bus.mu.Lock()
	found := a.bus.own[a]
	delete(a.bus.own, a)
	a.bus.mu.Unlock()
	if l, ok := a.bus.keeper.current(); ok && found {
		_ = a.bus.bind(l, a.topic) // what comes nevertheless is not handed on
	}
	a.line.Stop()
}

// hand hands a question to the functions of its topic.
func (b *bus) hand(topic string, question []byte, reply func(answer []byte)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for a := range b.own {
		if a.topic == topic {
			a.line.Ask(question, reply)
		}
	}
}

// Ask implements queue.Bus.
func (b *bus) Ask(ctx context.Context, topic string, question []byte) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		if err := queue.CheckTopic(topic); err != nil {
			yield(nil, fmt.Errorf("rabbitmq: %w", err))
			return
		}
		err := b.ask(ctx, topic, question, func(answer []byte) bool { return yield(answer, nil) })
		if ctx.Err() != nil && b.keeper.life.Err() == nil {
			return
		}
		if err = b.keeper.failed(ctx, err); err != nil {
			yield(nil, err)
		}
	}
}

// ask yields answers until ctx or the loop ends, or there is an error.
func (b *bus) ask(ctx context.Context, topic string, question []byte, yield func([]byte) bool) error {
	if len(question) > maxTalk {
		return fmt.Errorf("rabbitmq: %w: question of %d bytes, must have at most %d",
			queue.ErrTooLarge, len(question), maxTalk)
	}
	if err := errors.Join(b.keeper.closed(), ctx.Err()); err != nil {
		return err
	}
	call, done := b.keeper.call(ctx)
	defer done()
	l, err := b.keeper.get(call)
	if err != nil {
		return err
	}
	got := newInbox()
	defer l.forget(l.expect(got))
	if err := l.ask(b.exchange, topic, got.id, question); err != nil {
		return err
	}
	for {
		for _, answer := range got.take() {
			if ctx.Err() != nil || !yield(answer) {
				return nil
			}
		}
		select {
		case <-got.wake:
		case <-l.over():
			return l.why()
		case <-l.inAlarm():
			return ErrBlocked
		case <-b.keeper.life.Done():
			return b.keeper.closed()
		case <-ctx.Done():
			return nil
		}
	}
}

// Close implements queue.Bus.
func (b *bus) Close() error {
	b.mu.Lock()
	b.keeper.end()
	own := b.own
	b.own = map[*answerer]bool{}
	b.mu.Unlock()
	for a := range own {
		a.stop()
	}
	b.binder.Wait()
	b.keeper.close()
	return nil
}
