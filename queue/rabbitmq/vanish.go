package rabbitmq

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/gentask/gentask/queue"
)

// waiting records the delay queues in which messages of this Broker wait, each with the time when
// the last of them is due.
type waiting struct {
	mu  sync.Mutex
	due map[waitingRoom]time.Time
}

// waitingRoom is a delay queue of a work queue.
type waitingRoom struct{ queue, name string }

func newWaiting() *waiting { return &waiting{due: make(map[waitingRoom]time.Time)} }

// note records a message of a work queue that waits in a delay queue.
func (w *waiting) note(work, name string, due time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if at := (waitingRoom{work, name}); due.After(w.due[at]) {
		w.due[at] = due
	}
}

// forget removes a delay queue.
func (w *waiting) forget(work, name string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.due, waitingRoom{work, name})
}

// names returns the delay queues in which messages of a work queue wait now.
func (w *waiting) names(work string, now time.Time) (names []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for at, due := range w.due {
		switch {
		case now.After(due):
			delete(w.due, at)
		case at.queue == work:
			names = append(names, at.name)
		}
	}
	return names
}

const (
	// lookEach is the interval at which a session looks for the delay queues with messages, and
	// lookAll the one for the dead-letter queue.
	lookEach = 2 * time.Second
	lookAll  = 5 * lookEach
)

// guard ends the session when the dead-letter queue, or a delay queue with messages, is gone. An
// operator's policy has expired it, or another program has deleted it. The messages in it are lost.
// Only this error reports that.
func (s *session) guard() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	s.goroutines.Go(func() {
		select {
		case <-s.lost:
		case <-s.closed:
		}
		cancel()
	})
	ticks := time.NewTicker(lookEach)
	defer ticks.Stop()
	lookedAll := time.Now()
	for {
		select {
		case <-ticks.C:
		case <-ctx.Done():
			return
		}
		names := s.queue.broker.waiting.names(s.queue.name, time.Now())
		if time.Since(lookedAll) >= lookAll {
			lookedAll = time.Now()
			names = append(names, s.queue.deadName())
		}
		if err := s.vanished(ctx, names); err != nil {
			s.lose(err)
			s.link.cut()
			return
		}
	}
}

// vanished returns an error if one of the queues does not exist. It returns nil if it can't find
// out.
func (s *session) vanished(ctx context.Context, names []string) error {
	b := s.queue.broker
	ctx, cancel := context.WithTimeout(ctx, lookEach)
	defer cancel()
	for _, name := range names {
		if _, err := b.gauge.ready(ctx, name); isNotFound(err) {
			b.waiting.forget(s.queue.name, name)
			b.topology.forget(name)
			return fmt.Errorf("%w: queue %q is gone, with the messages that it held: want no policy with "+
				"\"expires\" that matches the driver's queues, and nobody who deletes them: %w",
				queue.ErrConfig, name, errVanished)
		}
	}
	return nil
}

// errVanished is the reason of a session whose own queues are gone.
var errVanished = errors.New("messages were lost with a queue")
