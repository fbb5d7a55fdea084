package dashboard

import (
	"context"
	"slices"
	"sync"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/fleet"
	"github.com/gentask/gentask/internal/guard"
)

// mostEvents is how many events are remembered.
const mostEvents = 500

// depth is how much of the events is asked for. The set is closed.
type depth uint8

const (
	// noEvents asks for nothing.
	noEvents depth = iota
	// rareEvents are those of consumers, such as a breaker that opens. Nodes gather latencies while
	// they are asked for.
	rareEvents
	// allEvents are the ends of jobs, too.
	allEvents
)

// eventFeed follows the events of all nodes while someone looks. Its methods are safe for
// concurrent use.
type eventFeed struct {
	from members
	hook *guard.Hook

	mu     sync.Mutex
	depth  depth
	cancel context.CancelFunc // of the sequence that runs
	ring   []fleet.EventRecord
	err    error // why no events come at the moment
}

// follow makes the feed follow so many events.
func (f *eventFeed) follow(life context.Context, wg *sync.WaitGroup, d depth) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if d == f.depth {
		return
	}
	if f.cancel != nil {
		f.cancel()
	}
	f.depth, f.cancel, f.err = d, nil, nil
	if d == noEvents {
		return
	}
	ctx, cancel := context.WithCancel(life)
	f.cancel = cancel
	wg.Go(func() {
		defer cancel()
		_, err := call(ctx, f.hook, func(ctx context.Context) (struct{}, error) { return struct{}{}, f.run(ctx, d) })
		f.end(ctx, err)
	})
}

// run takes events until ctx ends, or no more can come.
func (f *eventFeed) run(ctx context.Context, d depth) error {
	for r, err := range f.from.Events(ctx, fleet.EventFilter{Kinds: kindsOf(d)}) {
		if err != nil && !guard.Is(err, errAway) {
			return err
		}
		f.take(r, err)
	}
	return nil
}

// end lets the next sample start the feed again, if it has ended by itself.
func (f *eventFeed) end(ctx context.Context, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if ctx.Err() == nil {
		f.depth, f.cancel, f.err = noEvents, nil, err
	}
}

func (f *eventFeed) take(r fleet.EventRecord, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err = err; err != nil {
		return
	}
	if len(f.ring) >= 2*mostEvents {
		f.ring = append(f.ring[:0:0], f.ring[len(f.ring)-mostEvents:]...)
	}
	f.ring = append(f.ring, r)
}

// last returns the last events that fit, the newest first, and why none come. Those of a node stay
// in their order.
func (f *eventFeed) last(n int, fits func(*fleet.EventRecord) bool) ([]fleet.EventRecord, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var all []fleet.EventRecord
	for _, r := range slices.Backward(f.ring[max(0, len(f.ring)-mostEvents):]) {
		if fits(&r) {
			all = append(all, r)
		}
	}
	slices.SortStableFunc(all, func(a, b fleet.EventRecord) int { return b.Time.Compare(a.Time) })
	return all[:min(len(all), n)], f.err
}

// kindsOf returns the kinds of events that are asked for: none of the begin of jobs, because each
// has an end.
func kindsOf(d depth) []gentask.EventKind {
	kinds := []gentask.EventKind{
		gentask.EventSessionOpened, gentask.EventSessionLost, gentask.EventOpenFailed, gentask.EventSettleFailed,
		gentask.EventAbandoned, gentask.EventWorkersLost, gentask.EventHealed, gentask.EventPaused,
		gentask.EventResumed, gentask.EventBreakerOpened, gentask.EventBreakerProbing, gentask.EventBreakerClosed,
		gentask.EventDraining, gentask.EventDrained, gentask.EventGaveUp, gentask.EventDedupFailed,
		gentask.EventSuspect, gentask.EventDriverStuck, gentask.EventReturned, gentask.EventOverridden,
	}
	if d == allEvents {
		kinds = append(kinds, gentask.EventDone)
	}
	return kinds
}
