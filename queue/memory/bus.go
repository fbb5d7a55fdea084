package memory

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"sync"

	"github.com/gentask/gentask/queue"
)

// maxAsked is the most questions that wait for a function; those beyond are lost.
const maxAsked = 256

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

// answerer is one call of Answer, with a goroutine.
type answerer struct {
	bus   *bus
	topic string
	f     func([]byte) []byte
	asked chan asked
	once  sync.Once
	stop  chan struct{}
	done  chan struct{}
}

// asked is a question on its way to one answerer.
type asked struct {
	question []byte
	answers  *answers
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
		select {
		case a.asked <- asked{slices.Clone(question), got}:
		default: // it is lost
		}
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
	a := &answerer{
		bus: b, topic: topic, f: f,
		asked: make(chan asked, maxAsked), stop: make(chan struct{}), done: make(chan struct{}),
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if isOver(b.closed) {
		return nil, queue.ErrClosed
	}
	b.own[a] = struct{}{}
	b.room.mu.Lock()
	defer b.room.mu.Unlock()
	b.room.answerers[a] = struct{}{}
	go a.run()
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

// run answers, one question at a time.
func (a *answerer) run() {
	defer func() {
		if isOver(a.stop) {
			close(a.done)
		} else {
			go a.run() // f has called runtime.Goexit
		}
	}()
	for {
		select {
		case <-a.stop:
			return
		case q := <-a.asked:
			if isOver(a.stop) {
				return
			}
			if answer := a.answer(q.question); answer != nil && len(answer) <= maxValue && a.bus.line.err() == nil {
				q.answers.add(slices.Clone(answer))
			}
		}
	}
}

// answer calls f. It returns nil if f panics.
func (a *answerer) answer(question []byte) (answer []byte) {
	defer func() {
		if recover() != nil {
			answer = nil
		}
	}()
	return a.f(question)
}

// end stops the answerer, and waits for f.
func (a *answerer) end() {
	a.once.Do(func() { close(a.stop) })
	a.bus.room.mu.Lock()
	delete(a.bus.room.answerers, a)
	a.bus.room.mu.Unlock()
	a.bus.mu.Lock()
	delete(a.bus.own, a)
	a.bus.mu.Unlock()
	<-a.done
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
