package gentask

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/gentask/gentask/internal/feed"
	"github.com/gentask/gentask/internal/guard"
)

// mostEvents is how many events may wait for one subscriber: about 4 MB.
const mostEvents = 16 << 10

// subscribers is the set of functions that receive events. Each has a feed of its own.
type subscribers struct {
	mu  sync.Mutex
	all atomic.Pointer[[]*feed.Feed[Event]] // replaced, never changed
}

// any reports whether there are subscribers.
func (s *subscribers) any() bool { return s.all.Load() != nil }

func (s *subscribers) list() []*feed.Feed[Event] {
	if all := s.all.Load(); all != nil {
		return *all
	}
	return nil
}

func (s *subscribers) add(hook *guard.Hook, f func(Event)) (cancel func()) {
	one := feed.New(hook, mostEvents, f)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.set(append(slices.Clone(s.list()), one))
	return func() {
		one.Close()
		s.mu.Lock()
		defer s.mu.Unlock()
		s.set(slices.DeleteFunc(slices.Clone(s.list()), func(other *feed.Feed[Event]) bool { return other == one }))
	}
}

func (s *subscribers) set(all []*feed.Feed[Event]) {
	if len(all) == 0 {
		s.all.Store(nil)
		return
	}
	s.all.Store(&all)
}

// tell queues the event for each subscriber. Events of jobs leave room for those of the consumer.
func (s *subscribers) tell(ev Event) {
	for _, one := range s.list() {
		switch ev.Kind { //nolint:exhaustive // the others are the consumer's
		case EventReceived, EventStarted, EventDone:
			one.Offer(ev)
		default:
			one.Push(ev)
		}
	}
}

// wait returns when every subscriber has received every event so far, or when ctx ends. It does not
// wait for subscribers that do not return from a call.
func (s *subscribers) wait(ctx context.Context) {
	for _, one := range s.list() {
		_ = one.Wait(ctx, hookTime) // an unfinished call is counted
	}
}
