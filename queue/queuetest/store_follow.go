package queuetest

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/queue"
)

// follower is a loop over a watch, which applies the changes to a state. It notes the first thing
// that is against the contract.
type follower struct {
	b      *storeBench
	prefix string
	pause  time.Duration // after each change

	mu      sync.Mutex
	state   map[string]queue.Record
	newest  map[string]queue.Revision // of each key, since the last reset
	current bool
	whole   int // records of the state when it was current first
	resets  int
	alive   []time.Time
	sets    int
	fault   string
	err     error
	over    bool
}

// follow starts a follower, which ends with the case.
func (b *storeBench) follow(s queue.Store, prefix string) *follower {
	return b.followSlowly(s, prefix, 0)
}

// followSlowly starts a follower that pauses after each change.
func (b *storeBench) followSlowly(s queue.Store, prefix string, pause time.Duration) *follower {
	b.t.Helper()
	f := &follower{
		b: b, prefix: prefix, pause: pause, state: map[string]queue.Record{}, newest: map[string]queue.Revision{},
	}
	ctx, cancel := context.WithCancel(b.ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		f.run(ctx, s)
	}()
	b.t.Cleanup(func() {
		cancel()
		select {
		case <-done:
		case <-time.After(arrival):
			b.t.Error("a watch did not end with its context")
		}
		require.Empty(b.t, f.fault)
	})
	return f
}

func (f *follower) run(ctx context.Context, s queue.Store) {
	defer func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.over = true
	}()
	for c, err := range s.Watch(ctx, f.prefix) {
		f.apply(c, err)
		time.Sleep(f.pause)
	}
}

// apply adds one change to the state.
func (f *follower) apply(c queue.Change, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err != nil {
		f.blame("something after the error %v", f.err)
	}
	if err != nil {
		f.err = err
		return
	}
	switch c.Kind {
	case queue.ChangeSet:
		f.set(c.Record)
	case queue.ChangeGone:
		f.match(c.Record.Key)
		delete(f.state, c.Record.Key)
		if c.Record.Value != nil || c.Record.Revision != 0 {
			f.blame("a record that has gone has more than a key: %+v", c.Record)
		}
	case queue.ChangeCurrent:
		if !f.current {
			f.whole = len(f.state)
		}
		f.current = true
	case queue.ChangeReset:
		f.resets++
		f.current = false
		clear(f.state)
		clear(f.newest)
	case queue.ChangeAlive:
		if !f.current {
			f.blame("alive before the first state is current")
		}
		f.alive = append(f.alive, time.Now())
	default:
		f.blame("kind %d", c.Kind)
	}
}

func (f *follower) set(r queue.Record) {
	f.match(r.Key)
	if newest := f.newest[r.Key]; r.Revision <= newest {
		f.blame("revision %d of %s came after %d", r.Revision, r.Key, newest)
	}
	f.sets++
	f.newest[r.Key], f.state[r.Key] = r.Revision, r
}

func (f *follower) match(key string) {
	if !queue.HasPrefix(key, f.prefix) {
		f.blame("key %s does not have the prefix %q", key, f.prefix)
	}
}

func (f *follower) blame(format string, args ...any) {
	if f.fault == "" {
		f.fault = fmt.Sprintf(format, args...)
	}
}

// until waits for a condition of the follower's state, which is called with the lock held.
func (f *follower) until(what string, done func() bool) {
	f.b.t.Helper()
	f.b.soon("watch: "+what, func() bool { return f.is(done) })
	require.Empty(f.b.t, f.fault)
}

// is evaluates a condition with the lock held.
func (f *follower) is(done func() bool) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.fault != "" || done()
}

// values waits until the state has exactly these values.
func (f *follower) values(want map[string]string) {
	f.b.t.Helper()
	f.until(fmt.Sprint("state ", want), func() bool {
		if len(f.state) != len(want) || !f.current {
			return false
		}
		for key, value := range want {
			if r, found := f.state[key]; !found || string(r.Value) != value {
				return false
			}
		}
		return true
	})
}

// beats returns how often the watch was alive since a time.
func (f *follower) beats(since time.Time) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := 0
	for _, at := range f.alive {
		if at.After(since) {
			n++
		}
	}
	return n
}
