package scenario_test

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/internal/rig"
	"github.com/gentask/gentask/internal/rig/promises"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/memory"
)

// sameID returns n messages with one id and one body.
func sameID(n int) []queue.Message {
	msgs := make([]queue.Message, n)
	for i := range msgs {
		msgs[i] = queue.Message{ID: "1", Body: []byte(`"1"`)}
	}
	return msgs
}

// TestIdentity_OneIDForAll: messages that share an id run side by side like any others, and Health
// counts them.
func TestIdentity_OneIDForAll(t *testing.T) {
	rig.Memory().Run(t, func(r *rig.Rig) {
		const jobs, atOnce = 200, 20
		r.Allow.Overlaps = true
		r.Limit = time.Hour
		r.Send(sameID(jobs)...)
		begin := time.Now()
		c := r.Start(r.Handle(func(ctx context.Context, _ string) error { return rig.Pause(ctx, time.Second) }),
			gentask.Config{Concurrency: atOnce})
		r.Finish()
		require.Equal(r, jobs/atOnce*time.Second, time.Since(begin))
		require.Equal(r, atOnce, r.Runs.Most())
		time.Sleep(time.Second)
		require.Equal(r, jobs-1, c.Health().SharedIDs)
	})
}

// TestIdentity_IDsOfTheirOwnAreNotShared, also when messages come again.
func TestIdentity_IDsOfTheirOwnAreNotShared(t *testing.T) {
	rig.Memory().Run(t, func(r *rig.Rig) {
		r.Limit = time.Hour
		r.Publish(500)
		c := r.Start(r.Handle(func(ctx context.Context, _ string) error {
			if job, _ := gentask.FromContext(ctx); job.Attempt() < 3 {
				return errOwn
			}
			return nil
		}), gentask.Config{})
		r.Finish()
		require.Zero(r, c.Health().SharedIDs)
	})
}

// TestIdentity_ARedeliveryWaits: of the deliveries of one message at most one runs here, though the
// id is shared with others.
func TestIdentity_ARedeliveryWaits(t *testing.T) {
	rig.MemoryWith(memory.Config{}).Run(t, func(r *rig.Rig) {
		const jobs = 10
		r.Allow.Overlaps = true
		r.Send(sameID(jobs)...)
		var mu sync.Mutex
		running, most := map[time.Time]int{}, 0
		r.Start(r.Handle(func(ctx context.Context, _ string) error {
			mu.Lock()
			running[time.Time{}]++
			most = max(most, running[time.Time{}])
			mu.Unlock()
			defer func() {
				mu.Lock()
				defer mu.Unlock()
				running[time.Time{}]--
			}()
			return rig.Pause(ctx, 10*time.Second)
		}), gentask.Config{Concurrency: 2 * jobs, Prefetch: 2 * jobs, FinishLost: true})
		time.Sleep(time.Second)
		r.Break()
		r.Finish()
		require.Equal(r, jobs, most, "the redeliveries wait for the runs whose session was lost")
		require.Equal(r, 2*jobs, r.Runs.Total())
	})
}

// TestIdentity_AnIDThatIsUsedTwice: the second message under an id fails once, and is run again: it
// was never done, in memory or in a store.
func TestIdentity_AnIDThatIsUsedTwice(t *testing.T) {
	for name, dedup := range map[string]func() gentask.Dedup{
		"memory": func() gentask.Dedup { return gentask.Dedup{Remember: 10} },
		"store":  func() gentask.Dedup { return gentask.Dedup{Remember: -1, Store: &doneStore{}} },
		"both":   func() gentask.Dedup { return gentask.Dedup{Store: &doneStore{}} },
	} {
		for how, give := range map[string]func(int) error{
			"fails": func(int) error { return errOwn }, "panics": func(int) error { panic(errOwn) },
			"snoozes":  func(int) error { return gentask.Snooze(time.Second) },
			"releases": func(int) error { return gentask.Snooze(0) },
		} {
			t.Run(name+"/"+how, func(t *testing.T) {
				rig.Memory().Run(t, func(r *rig.Rig) {
					runs := 0
					r.Send(sameID(1)...)
					r.Start(r.Handle(func(context.Context, string) error {
						if runs++; runs == 2 || runs == 3 {
							return give(runs)
						}
						return nil
					}), gentask.Config{Policy: gentask.Policy{Dedup: dedup()}})
					r.Finish()
					r.Send(sameID(1)...)
					r.Finish()
					require.Equal(r, 4, runs, "done, failed twice, done")
					promises.RequireDuplicates(r, 0)
				})
			})
		}
	}
}

// TestIdentity_StoreKeys: they are the same for all deliveries of a message, differ for messages of
// one id, and are bounded.
func TestIdentity_StoreKeys(t *testing.T) {
	rig.Memory().Run(t, func(r *rig.Rig) {
		store := &doneStore{}
		r.Allow.Overlaps = true
		published := time.Date(2030, 1, 2, 3, 4, 5, 6, time.FixedZone("", 3600))
		r.Send(queue.Message{ID: "1", Body: []byte(`"1"`), Time: published}, queue.Message{ID: "1", Body: []byte(`"2"`), Time: published},
			queue.Message{ID: strings.Repeat("ä", 10_000), Body: []byte(`"3"`)})
		r.Start(r.Handle(func(context.Context, string) error { return nil }),
			gentask.Config{Policy: gentask.Policy{Dedup: gentask.Dedup{Store: store}}})
		r.Finish()
		require.Len(r, store.done, 3)
		require.True(r, store.done["1@2030-01-02T02:04:05.000000006Z+1#391552c099c101b1"], "%v", store.done)
		for key := range store.done {
			require.LessOrEqual(r, len(key), 160)
		}
	})
}

// TestIdentity_ABatchHasNoIDTwice: a result is for one job, so jobs that share an id are handled
// one after the other.
func TestIdentity_ABatchHasNoIDTwice(t *testing.T) {
	rig.Memory().Run(t, func(r *rig.Rig) {
		const jobs = 12
		handled := map[string]int{}
		var mu sync.Mutex
		msgs := make([]queue.Message, jobs)
		for i := range msgs {
			msgs[i] = queue.Message{ID: strconv.Itoa(i % 3), Body: []byte(strconv.Itoa(i))}
		}
		r.Send(msgs...)
		r.Start(gentask.Batch(func(_ context.Context, batch []gentask.Job[int]) (gentask.Results, error) {
			mu.Lock()
			defer mu.Unlock()
			results, ids := gentask.Results{}, map[string]bool{}
			for _, job := range batch {
				require.False(r, ids[job.ID()], "id %q is there twice", job.ID())
				ids[job.ID()] = true
				body := string(job.Body())
				handled[body]++
				results[job.ID()] = nil
				if handled[body] == 1 && job.Payload()%2 == 1 {
					results[job.ID()] = fmt.Errorf("%s: %w", body, errOwn)
				}
			}
			return results, nil
		}, gentask.BatchConfig{}), gentask.Config{Concurrency: jobs})
		r.Finish()
		require.Len(r, handled, jobs)
		for body, n := range handled {
			want := 1
			if i, _ := strconv.Atoi(body); i%2 == 1 {
				want = 2
			}
			require.Equal(r, want, n, "job %s: a result of another is not its own", body)
		}
	})
}

// TestIdentity_CancelByID cancels all that share it.
func TestIdentity_CancelByID(t *testing.T) {
	rig.Memory().Run(t, func(r *rig.Rig) {
		r.Allow.Overlaps = true
		r.Send(sameID(3)...)
		c := r.Start(r.Handle(func(ctx context.Context, _ string) error { <-ctx.Done(); return ctx.Err() }),
			gentask.Config{Concurrency: 2, Prefetch: 3})
		r.Eventually("two run", func() bool { return r.Runs.Now() == 2 })
		jobs, err := c.Jobs(r.Context())
		require.NoError(r, err)
		require.Len(r, jobs, 3)
		require.NoError(r, c.Cancel(r.Context(), "1"))
		r.Finish()
		require.Equal(r, 3, r.Memory.Stats().DeadLettered)
	})
}

// TestIdentity_SuspectsAreMessages: a message that was cleared proves nothing about another under
// its id.
func TestIdentity_SuspectsAreMessages(t *testing.T) {
	rig.Memory().Run(t, func(r *rig.Rig) {
		r.Allow.Overlaps = true
		r.Send(sameID(4)...)
		first := r.Start(r.Handle(func(ctx context.Context, _ string) error { return rig.Pause(ctx, time.Hour) }), gentask.Config{Concurrency: 4})
		time.Sleep(time.Second)
		r.Memory.LoseSessions() // the node dies with all of them
		r.Stop(first)
		r.Start(r.Handle(func(ctx context.Context, _ string) error { return rig.Pause(ctx, time.Second) }),
			gentask.Config{Concurrency: 4, Policy: gentask.Policy{IsolateSuspects: true}})
		r.Finish()
		require.Len(r, r.Events(gentask.EventSuspect), 4, "each of them runs alone")
	})
}
