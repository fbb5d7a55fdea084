package queuetest_test

import (
	"context"
	"iter"
	"strings"
	"time"

	"github.com/gentask/gentask/queue"
)

// filtered returns a watch whose changes pass a function, which yields them.
func filtered(pass func(c queue.Change, yield func(queue.Change) bool) bool,
) func(*flawed, context.Context, string) iter.Seq2[queue.Change, error] {
	return func(s *flawed, ctx context.Context, prefix string) iter.Seq2[queue.Change, error] {
		return func(yield func(queue.Change, error) bool) {
			for c, err := range s.Store.Watch(ctx, prefix) {
				if err != nil {
					yield(c, err)
					return
				}
				if !pass(c, func(c queue.Change) bool { return yield(c, nil) }) {
					return
				}
			}
		}
	}
}

// leavesOut returns a watch without changes of a kind.
func leavesOut(kind queue.ChangeKind) func(*flawed, context.Context, string) iter.Seq2[queue.Change, error] {
	return filtered(func(c queue.Change, yield func(queue.Change) bool) bool { return c.Kind == kind || yield(c) })
}

// watchBugs are mistakes of Watch.
func watchBugs() map[string]storeBug {
	return map[string]storeBug{
		"a watch is silent":             {found: "watch/is alive every two seconds", watch: leavesOut(queue.ChangeAlive)},
		"a watch does not say gone":     {found: "watch/the state, then each change", watch: leavesOut(queue.ChangeGone)},
		"a watch is never current":      {found: "watch/the state, then each change", watch: leavesOut(queue.ChangeCurrent)},
		"another incarnation is hidden": {found: "loss/the store is made again", watch: leavesOut(queue.ChangeReset)},
		"current comes too early": {
			found: "watch/the state, then each change",
			watch: func(s *flawed, ctx context.Context, prefix string) iter.Seq2[queue.Change, error] {
				inner := leavesOut(queue.ChangeCurrent)(s, ctx, prefix)
				return func(yield func(queue.Change, error) bool) {
					if yield(queue.Change{Kind: queue.ChangeCurrent}, nil) {
						inner(yield)
					}
				}
			},
		},
		"an old value comes again": {
			found: "watch/the state, then each change",
			watch: func(s *flawed, ctx context.Context, prefix string) iter.Seq2[queue.Change, error] {
				old := map[string]queue.Change{}
				return filtered(func(c queue.Change, yield func(queue.Change) bool) bool {
					before, found := old[c.Record.Key]
					old[c.Record.Key] = c
					return yield(c) && (!found || c.Kind != queue.ChangeSet || yield(before))
				})(s, ctx, prefix)
			},
		},
		"a watch matches the begin of a part": {
			found: "watch/matches whole parts",
			watch: func(s *flawed, ctx context.Context, prefix string) iter.Seq2[queue.Change, error] {
				if queue.CheckPrefix(prefix) != nil {
					return s.Store.Watch(ctx, prefix)
				}
				return filtered(func(c queue.Change, yield func(queue.Change) bool) bool {
					return !strings.HasPrefix(c.Record.Key, prefix) || yield(c)
				})(s, ctx, "")
			},
		},
	}
}

// liveBugs are mistakes of a watch that lasts.
func liveBugs() map[string]storeBug {
	return map[string]storeBug{
		"each third change is lost": {
			found: "watch/many watchers",
			watch: func(s *flawed, ctx context.Context, prefix string) iter.Seq2[queue.Change, error] {
				n := 0
				return filtered(func(c queue.Change, yield func(queue.Change) bool) bool {
					if c.Kind == queue.ChangeSet {
						n++
					}
					return n%3 == 2 || yield(c)
				})(s, ctx, prefix)
			},
		},
		"a watch is deaf after a cut": {
			found: "loss/a watch catches up",
			watch: func(s *flawed, ctx context.Context, prefix string) iter.Seq2[queue.Change, error] {
				last, deaf := time.Now(), false
				return filtered(func(c queue.Change, yield func(queue.Change) bool) bool {
					deaf = deaf || time.Since(last) > 2500*time.Millisecond
					last = time.Now()
					return deaf && c.Kind != queue.ChangeAlive || yield(c)
				})(s, ctx, prefix)
			},
		},
		"alive by a timer": {
			found: "loss/a watch is not alive without the broker",
			watch: func(s *flawed, ctx context.Context, prefix string) iter.Seq2[queue.Change, error] {
				return timed(ctx, s, prefix)
			},
		},
		"the end of a context is an error": {
			found: "end/of a context",
			watch: func(s *flawed, ctx context.Context, prefix string) iter.Seq2[queue.Change, error] {
				return func(yield func(queue.Change, error) bool) {
					for c, err := range s.Store.Watch(ctx, prefix) {
						if !yield(c, err) {
							return
						}
					}
					if ctx.Err() != nil {
						yield(queue.Change{}, ctx.Err())
					}
				}
			},
		},
		"close ends a watch without a word": {
			found: "end/close",
			watch: func(s *flawed, ctx context.Context, prefix string) iter.Seq2[queue.Change, error] {
				return func(yield func(queue.Change, error) bool) {
					for c, err := range s.Store.Watch(ctx, prefix) {
						if err != nil || !yield(c, nil) {
							return
						}
					}
				}
			},
		},
	}
}

// timed is a watch that is alive every two seconds, whatever the broker does.
func timed(ctx context.Context, s *flawed, prefix string) iter.Seq2[queue.Change, error] {
	return func(yield func(queue.Change, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		changes := make(chan queue.Change)
		go func() {
			for c, err := range leavesOut(queue.ChangeAlive)(s, ctx, prefix) {
				if err != nil {
					return
				}
				select {
				case changes <- c:
				case <-ctx.Done():
					return
				}
			}
		}()
		for tick := time.Tick(2 * time.Second); ; {
			c := queue.Change{Kind: queue.ChangeAlive}
			select {
			case c = <-changes:
			case <-tick:
			case <-ctx.Done():
				return
			}
			if !yield(c, nil) {
				return
			}
		}
	}
}
