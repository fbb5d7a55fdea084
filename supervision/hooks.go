package supervision

import (
	"sync"
	"time"

	"github.com/gentask/gentask/actor"
)

const (
	// hookTime is how long a supervisor waits for OnEvent and BeforeRestart. A call that
	// takes longer goes on without the supervisor.
	hookTime = 100 * time.Millisecond

	// maxBacklog is how many events wait for an OnEvent that does not return. Further ones are
	// dropped, and counted.
	maxBacklog = 1000
)

// hooks calls OnEvent for the supervisors of one Spec, one event at a time. It has a goroutine only
// while there are events, and never two, also if OnEvent never returns and the supervisor is
// restarted for ever.
type hooks struct {
	onEvent func(Event)

	mu      sync.Mutex
	queue   []hooked
	running bool
	late    bool // OnEvent has not returned in time: no event waits for it until the queue is empty
	dropped int  // events since the last one that was queued
}

type hooked struct {
	Event
	done chan struct{} // is closed after the call; may be nil
}

// newHooks returns nil, which calls nothing, for a Spec without OnEvent.
func newHooks(onEvent func(Event)) *hooks {
	if onEvent == nil {
		return nil
	}
	return &hooks{onEvent: onEvent}
}

// publish calls OnEvent, and waits for it as long as it returns in time.
func (h *hooks) publish(e Event) {
	if done := h.push(e); done != nil && !within(hookTime, done) {
		h.mu.Lock()
		h.late = h.running
		h.mu.Unlock()
	}
}

// push queues an event. It returns nil if the caller must not wait.
func (h *hooks) push(e Event) (done chan struct{}) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.queue) >= maxBacklog {
		h.dropped++
		return nil
	}
	if !h.late {
		done = make(chan struct{})
	}
	e.Dropped, h.dropped = h.dropped, 0
	h.queue = append(h.queue, hooked{e, done})
	if !h.running {
		h.running = true
		go h.run()
	}
	return done
}

// run continues on a goroutine of its own if OnEvent has ended this one by runtime.Goexit.
func (h *hooks) run() {
	finished := false
	defer func() {
		if !finished {
			go h.run()
		}
	}()
	for e, ok := h.next(); ok; e, ok = h.next() {
		h.call(e)
	}
	finished = true
}

func (h *hooks) next() (hooked, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.queue) == 0 {
		h.queue, h.running, h.late = nil, false, false
		return hooked{}, false
	}
	e := h.queue[0]
	h.queue[0] = hooked{}
	h.queue = h.queue[1:]
	return e, true
}

func (h *hooks) call(e hooked) {
	if e.done != nil {
		defer close(e.done)
	}
	_ = contain(func() { h.onEvent(e.Event) })
}

// isLate reports whether OnEvent keeps its events waiting.
func (h *hooks) isLate() bool {
	if h == nil {
		return false
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.late
}

// within waits for done, and reports whether it was closed in time.
func within(limit time.Duration, done <-chan struct{}) bool {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-done:
		return true
	case <-timer.C:
		return false
	}
}

// contain runs user code, and returns how it failed. A runtime.Goexit ends the goroutine.
func contain(f func()) (err error) {
	returned := false
	defer func() { err = actor.Recovered(recover(), returned) }()
	f()
	returned = true
	return nil
}

// patience returns how long to wait for a call of user code. It is limit, and less the more
// calls are stuck already, so that many of them don't stop the supervisor.
func (b *base) patience(limit, least time.Duration) time.Duration {
	const most = 16
	return max(limit>>min(b.stuck.Load(), most), least)
}

// leastHookTime is the least of hookTime that remains while other calls are stuck.
const leastHookTime = time.Millisecond

// beside runs user code on a goroutine of its own, and waits for it for hookTime at most.
// If f panics or calls runtime.Goexit, failed is called on that goroutine.
func (b *base) beside(f, failed func()) {
	done := make(chan struct{})
	limit := b.patience(hookTime, leastHookTime)
	b.stuck.Add(1)
	go func() {
		returned := false
		defer close(done)
		defer b.stuck.Add(-1)
		defer func() {
			if actor.Recovered(recover(), returned) != nil && failed != nil {
				failed()
			}
		}()
		f()
		returned = true
	}()
	within(limit, done)
}
