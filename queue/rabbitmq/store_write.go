package rabbitmq

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/rabbitmq/internal/replica"
)

// waiter waits for an entry of this program to be read.
type waiter struct {
	link    *storeLink // by which it was sent
	sent    time.Time
	outcome chan replica.Outcome // capacity 1

	// parts is the state at the entry, of a begin, when the outcome is there.
	parts   []replica.Part
	capture bool
}

// errNotSent is the reason of an entry that the broker has not got.
var errNotSent = errors.New("nothing was written")

// errReturned is the outcome of an entry that the broker has returned: there is no stream.
var errReturned = errors.New("the broker has no stream for it")

// write sends an entry that changes records, and returns its revision when this program has applied
// it: that is its confirm.
func (s *store) write(ctx context.Context, e *replica.Entry) (queue.Revision, error) {
	call, done := s.keeper.call(ctx)
	defer done()
	l, err := s.keeper.get(call)
	if err == nil {
		err = s.room()
	}
	if err != nil {
		return 0, s.keeper.failed(ctx, err)
	}
	w, err := s.do(call, l, e, false)
	if err != nil {
		return 0, s.unsent(ctx, err)
	}
	o := <-w.outcome
	switch {
	case o.Err == nil, errors.Is(o.Err, queue.ErrConflict):
		return o.Revision, o.Err
	case errors.Is(o.Err, queue.ErrTooLarge):
		return 0, fmt.Errorf("rabbitmq: %w", o.Err)
	case errors.Is(o.Err, queue.ErrUncertain):
		return 0, s.uncertain(ctx, o.Err)
	}
	return 0, s.keeper.failed(ctx, o.Err)
}

// unsent returns the error of an entry without an outcome, whose own context is ctx.
func (s *store) unsent(ctx context.Context, err error) error {
	if errors.Is(err, errNotSent) {
		return s.keeper.failed(ctx, err)
	}
	return s.uncertain(ctx, err)
}

// uncertain returns the error of a write that may have been applied.
func (s *store) uncertain(ctx context.Context, err error) error {
	err = fmt.Errorf("rabbitmq: %w: %w", queue.ErrUncertain, err)
	if s.keeper.life.Err() != nil {
		return fmt.Errorf("%w: %w", queue.ErrClosed, err)
	}
	if ctx.Err() != nil {
		return fmt.Errorf("%w: %w", ctx.Err(), err)
	}
	return err
}

// do sends an entry, and waits for its outcome. The error wraps errNotSent if it was not sent.
// Otherwise it may have been, and is not known to be.
func (s *store) do(ctx context.Context, l *storeLink, e *replica.Entry, capture bool) (*waiter, error) {
	w := &waiter{link: l, sent: time.Now(), outcome: make(chan replica.Outcome, 1), capture: capture}
	e.ID = rand.Text()
	data := s.expect(w, e)
	defer s.forget(e.ID)
	if err := l.send(ctx, data); err != nil {
		return nil, fmt.Errorf("%w: %w", errNotSent, err)
	}
	select {
	case o := <-w.outcome:
		w.outcome <- o
		return w, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// tell sends an entry, and does not wait.
func (s *store) tell(ctx context.Context, l *storeLink, e *replica.Entry) error {
	e.ID = rand.Text()
	s.mu.Lock()
	s.address(e)
	s.mu.Unlock()
	return l.send(ctx, e.Encode())
}

// expect makes the outcome of an entry go to a waiter, and returns the entry's data.
func (s *store) expect(w *waiter, e *replica.Entry) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waiting[e.ID] = w
	s.address(e)
	return e.Encode()
}

func (s *store) forget(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.waiting, id)
}

// tickEach is the least time by which a beat advances the clock of the log. Each loses what it
// takes to read an entry, so short ones would make the clock slow.
const tickEach = time.Second

// address fills in what each entry has. The mutex must be held.
func (s *store) address(e *replica.Entry) {
	e.Newest = s.follower.Newest()
	known := s.follower.State()
	if known == nil {
		return
	}
	if e.Kind != replica.KindGenesis {
		e.Incarnation = known.Incarnation()
	}
	if elapsed := time.Since(s.ticked); e.Kind == replica.KindBeat && elapsed >= tickEach {
		e.Since, e.Elapsed = known.Ticked(), elapsed
	}
}

// abandon ends the waiters of earlier connections, after a later one has read what there is.
func (s *store) abandon(l *storeLink) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, w := range s.waiting {
		if w.link != l {
			s.answer(id, replica.Outcome{Err: fmt.Errorf("%w: the connection was lost", queue.ErrUncertain)})
		}
	}
}

// answer ends a waiter. The mutex must be held.
func (s *store) answer(id string, o replica.Outcome) {
	if w := s.waiting[id]; w != nil {
		delete(s.waiting, id)
		w.outcome <- o
	}
}

// round is one proof that was asked for.
type round struct {
	done chan struct{}
	err  error
}

// prove returns when everything that was confirmed before was applied.
func (s *store) prove(ctx context.Context) error {
	call, done := s.keeper.call(ctx)
	defer done()
	r := s.ask()
	select {
	case <-r.done:
		return s.keeper.failed(ctx, r.err)
	case <-call.Done():
		return s.keeper.failed(ctx, call.Err())
	}
}

// ask asks for a proof. One that has begun does not count, so those who ask meanwhile share the
// next.
func (s *store) ask() *round {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.round == nil {
		s.round = &round{done: make(chan struct{})}
		select {
		case s.asked <- struct{}{}:
		default: // it is awake
		}
	}
	return s.round
}

// prover gives proofs.
func (s *store) prover() {
	for {
		select {
		case <-s.asked:
		case <-s.keeper.life.Done():
			return
		}
		s.mu.Lock()
		r := s.round
		s.round = nil
		s.mu.Unlock()
		if r == nil {
			continue
		}
		r.err = s.beat()
		close(r.done)
		if r.err == nil {
			s.stir()
		}
	}
}

// beatTime bounds one proof. A connection that brings nothing for so long is replaced.
const beatTime = 1500 * time.Millisecond

// beat sends an entry that changes nothing, and reads it back.
func (s *store) beat() error {
	call, done := s.keeper.call(context.Background())
	defer done()
	l, err := s.keeper.get(call)
	if err != nil {
		return err
	}
	call, ended := l.while(call)
	defer ended()
	ctx, cancel := context.WithTimeout(call, beatTime)
	defer cancel()
	w, err := s.do(ctx, l, &replica.Entry{Kind: replica.KindBeat}, false)
	if err != nil {
		if l.silentFor(beatTime) && !l.blocked.Load() {
			l.cut()
		}
		return fmt.Errorf("%w: no proof that the log was read: %w", queue.ErrUnavailable, err)
	}
	if o := <-w.outcome; o.Err != nil && !errors.Is(o.Err, replica.ErrOther) {
		return fmt.Errorf("%w: %w", queue.ErrUnavailable, o.Err)
	}
	return nil
}
