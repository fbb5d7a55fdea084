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
	mu     sync.Mutex
	all    atomic.Pointer[[]*subscriber] // replaced, never changed
	wanted atomic.Uint64                 // the kinds of all subscribers
}

// subscriber is one function with its feed.
type subscriber struct {
	*feed.Feed[Event]
	kinds uint64 // a bit for each kind that it receives
}

// allKinds is the kinds of a subscriber that has named none.
const allKinds = ^uint64(0)

// wants reports whether a subscriber receives events of a kind.
func (s *subscribers) wants(k EventKind) bool { return s.wanted.Load()&(1<<k) != 0 }

func (s *subscribers) list() []*subscriber {
	if all := s.all.Load(); all != nil {
		return *all
	}
	return nil
}

func (s *subscribers) add(hook *guard.Hook, f func(Event), kinds ...EventKind) (cancel func()) {
	one := &subscriber{Feed: feed.New(hook, mostEvents, f)}
	for _, k := range kinds {
		one.kinds |= 1 << k
	}
	if len(kinds) == 0 {
		one.kinds = allKinds
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.set(append(slices.Clone(s.list()), one))
	return func() {
		one.Close()
		s.mu.Lock()
		defer s.mu.Unlock()
		s.set(slices.DeleteFunc(slices.Clone(s.list()), func(other *subscriber) bool { return other == one }))
	}
}

func (s *subscribers) set(all []*subscriber) {
	wanted := uint64(0)
	for _, one := range all {
		wanted |= one.kinds
	}
	s.all.Store(&all)
	s.wanted.Store(wanted)
}

// tell queues the event for each subscriber that wants it. Events of jobs leave room for those of
// the consumer.
func (s *subscribers) tell(ev Event) {
	for _, one := range s.list() {
		if one.kinds&(1<<ev.Kind) == 0 {
			continue
		}
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
