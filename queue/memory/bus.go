package memory

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"sync"

	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/internal/answering"
)

// room is where the buses of one name meet.
type room struct {
	mu        sync.Mutex
	answerers map[*answerer]struct{}
}

// bus is one program's access to a room. It implements queue.Bus.
type bus struct {
	room *room
	line *line

	mu     sync.Mutex
	closed chan struct{}
	own    map[*answerer]struct{}
}

// answerer is one call of Answer.
type answerer struct {
	bus   *bus
	topic string
	line  *answering.Line
}

// answers gathers the answers to one question. It is unbounded, because each answerer gives at most
// one, and must not wait for the loop of another program.
type answers struct {
	mu   sync.Mutex
	list [][]byte
	wake chan struct{} // capacity 1
}

// Ask implements queue.Bus.
func (b *bus) Ask(ctx context.Context, topic string, question []byte) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		if err := b.ready(queue.CheckTopic(topic), checkSize("question", question)); err != nil {
			yield(nil, err)
			return
		}
		if ctx.Err() != nil {
			return
		}
		got := &answers{wake: make(chan struct{}, 1)}
		b.room.ask(topic, question, got)
		if err := b.collect(ctx, got, func(answer []byte) bool { return yield(answer, nil) }); err != nil {
			yield(nil, err)
		}
	}
}

func (b *bus) ready(bad ...error) error {
	for _, err := range bad {
		if err != nil {
			return err
		}
	}
	if isOver(b.closed) {
		return queue.ErrClosed
	}
	return b.line.err()
}

// collect yields answers until ctx or the loop ends, or there is an error.
func (b *bus) collect(ctx context.Context, got *answers, yield func([]byte) bool) error {
	for {
		down, changed := b.line.state()
		if down {
			return queue.ErrUnavailable
		}
		for _, answer := range got.take() {
			if isOver(ctx.Done()) || !yield(answer) {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-b.closed:
			return queue.ErrClosed
		case <-changed:
		case <-got.wake:
		}
	}
}

// ask hands a question to everyone who can be reached.
func (r *room) ask(topic string, question []byte, got *answers) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for a := range r.answerers {
		if a.topic != topic || a.bus.line.err() != nil {
			continue
		}
		a.line.Ask(question, func(answer []byte) {
			if len(answer) <= maxValue && a.bus.line.err() == nil {
				got.add(slices.Clone(answer))
			}
		})
	}
}

// Answer implements queue.Bus.
func (b *bus) Answer(topic string, f func(question []byte) []byte) (stop func(), err error) {
	if err := queue.CheckTopic(topic); err != nil {
		return nil, err
	}
	if f == nil {
		return nil, fmt.Errorf("%w: f is nil, must be a function", queue.ErrConfig)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if isOver(b.closed) {
		return nil, queue.ErrClosed
	}
	a := &answerer{bus: b, topic: topic, line: answering.Start(f)}
	b.own[a] = struct{}{}
	b.room.mu.Lock()
	defer b.room.mu.Unlock()
	b.room.answerers[a] = struct{}{}
	return a.end, nil
}

// Close implements queue.Bus.
func (b *bus) Close() error {
	b.mu.Lock()
	if !isOver(b.closed) {
		close(b.closed)
	}
	own := b.own
	b.own = map[*answerer]struct{}{}
	b.mu.Unlock()
	for a := range own {
		a.end()
	}
	return nil
}

// end stops the answerer, and waits for f.
func (a *answerer) end() {
	a.bus.room.mu.Lock()
	delete(a.bus.room.answerers, a)
	a.bus.room.mu.Unlock()
	a.bus.mu.Lock()
	delete(a.bus.own, a)
	a.bus.mu.Unlock()
	a.line.Stop()
}

func (a *answers) add(answer []byte) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.list = append(a.list, answer)
	select {
	case a.wake <- struct{}{}:
	default: // it is awake
	}
}

func (a *answers) take() [][]byte {
	a.mu.Lock()
	defer a.mu.Unlock()
	list := a.list
	a.list = nil
	return list
}
