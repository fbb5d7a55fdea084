package lease

import (
	"slices"
	"sync"
	"time"
)

// mostWorkers is how many shares of keys are worked on at the same time: as many requests are on
// their way to the store.
const mostWorkers = 32

// fewTurns is how many ended turns the queue keeps at least, before it is made shorter.
const fewTurns = 256

// turns are the shares of keys for which something is to be done. A share is worked on by one
// worker at a time. There are no workers while there is nothing to do. Its mutex is taken last.
type turns struct {
	keys *Keys

	mu      sync.Mutex
	queue   []*Share // from next on
	next    int
	workers int
	stopped bool
}

// turn is a share's place in the turns, whose mutex guards it.
type turn struct {
	due     bool // something is to be done
	running bool
	timer   *time.Timer
}

// add makes a share's turn come.
func (t *turns) add(s *Share) {
	t.mu.Lock()
	defer t.mu.Unlock()
	turn := &s.keyed.turn
	if turn.due || t.stopped {
		return
	}
	turn.due = true
	if !turn.running {
		t.push(s)
	}
}

func (t *turns) push(s *Share) {
	t.queue = append(t.queue, s)
	if t.workers < mostWorkers {
		t.workers++
		t.keys.work.Go(t.run)
	}
}

// run works until there is nothing to do.
func (t *turns) run() {
	for s := t.take(nil); s != nil; s = t.take(s) {
		t.keys.step(s)
	}
}

// take ends the turn of a share, and begins the next; nil if there is none.
func (t *turns) take(ended *Share) *Share {
	t.mu.Lock()
	defer t.mu.Unlock()
	if ended != nil {
		ended.keyed.turn.running = false
		if ended.keyed.turn.due {
			t.queue = append(t.queue, ended)
		}
	}
	if t.stopped || t.next == len(t.queue) {
		t.queue, t.next = nil, 0
		t.workers--
		return nil
	}
	s := t.queue[t.next]
	t.next++
	if t.next >= fewTurns && t.next > len(t.queue)/2 {
		t.queue, t.next = slices.Delete(t.queue, 0, t.next), 0
	}
	s.keyed.turn.due, s.keyed.turn.running = false, true
	return s
}

// later makes a share's turn come after d; zero is only for a change.
func (t *turns) later(s *Share, d time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	turn := &s.keyed.turn
	switch {
	case t.stopped:
	case turn.timer == nil && d > 0:
		turn.timer = time.AfterFunc(d, func() { t.add(s) })
	case turn.timer == nil:
	case d > 0:
		turn.timer.Reset(d)
	default:
		turn.timer.Stop()
	}
}

// stop makes no turn come any more.
func (t *turns) stop() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.stopped = true
}
