package scenario_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/internal/rig"
	"github.com/gentask/gentask/queue"
)

var errKeyed = errors.New("the job of a key failed")

// keyed returns n messages, numbered from 1, with keys in turn.
func keyed(n int, keys ...string) []queue.Message {
	msgs := make([]queue.Message, n)
	for i := range msgs {
		msgs[i] = queue.Message{ID: strconv.Itoa(i + 1), Headers: map[string]string{"customer": keys[i%len(keys)]}}
	}
	return msgs
}

// keyLog is what ran, by key, in order. It fails the test when two of a key run at the same time.
type keyLog struct {
	t      *testing.T
	mu     sync.Mutex
	active map[string]int
	runs   map[string][]string
	ended  map[string]time.Time
}

func newKeyLog(t *testing.T) *keyLog {
	t.Helper()
	return &keyLog{t: t, active: map[string]int{}, runs: map[string][]string{}, ended: map[string]time.Time{}}
}

func (l *keyLog) enter(job gentask.Job[any]) (key string, leave func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	key = job.Headers()["customer"]
	l.active[key]++
	if l.active[key] > 1 && key != "" {
		l.t.Errorf("%d of key %q run at the same time", l.active[key], key)
	}
	l.runs[key] = append(l.runs[key], fmt.Sprintf("%s.%d", job.ID(), job.Attempt()))
	return key, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.active[key]--
		l.ended[key] = time.Now()
	}
}

func (l *keyLog) lastOf(key string) time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.ended[key]
}

func (l *keyLog) of(key string) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.runs[key])
}

var byCustomer = gentask.Order{Key: gentask.KeyHeader("customer")}

// TestScenario29_SerialByKey: with any number of slots, a key's messages run one after the other,
// in order; a key that is 100 times slower does not slow the others.
func TestScenario29_SerialByKey(t *testing.T) {
	rig.Memory().Run(t, func(r *rig.Rig) {
		const each = 40
		log, began := newKeyLog(r.T), time.Now()
		r.Send(keyed(4*each, "a", "b", "slow", "c")...)
		r.Start(r.Handle(func(ctx context.Context, _ string) error {
			job, _ := gentask.FromContext(ctx)
			key, leave := log.enter(job)
			defer leave()
			if key == "slow" {
				return rig.Pause(ctx, time.Second)
			}
			return rig.Pause(ctx, 10*time.Millisecond)
		}), gentask.Config{Concurrency: 4, Prefetch: 4 * each, Policy: gentask.Policy{Order: byCustomer}})
		r.Finish()

		for i, key := range []string{"a", "b", "slow", "c"} {
			var want []string
			for n := range each {
				want = append(want, fmt.Sprintf("%d.1", 4*n+i+1))
			}
			require.Equal(r, want, log.of(key), "key %q, in order", key)
			took := time.Second * each / 100
			if key == "slow" {
				took = time.Second * each
			}
			require.WithinDuration(r, began.Add(took), log.lastOf(key), time.Millisecond, "key %q is as fast as it is alone", key)
		}
	})
}

// TestScenario29_NoKeyNoOrder: messages without a key run as they did, beside those with one.
func TestScenario29_NoKeyNoOrder(t *testing.T) {
	rig.Memory().Run(t, func(r *rig.Rig) {
		r.Send(keyed(20, "", "a")...)
		r.Start(r.Handle(func(ctx context.Context, _ string) error { return rig.Pause(ctx, time.Second) }),
			gentask.Config{Concurrency: 20, Policy: gentask.Policy{Order: byCustomer}})
		r.Rest()
		require.Equal(r, 11, r.Runs.Now(), "ten without a key and one with it")
		r.Finish()
	})
}

// TestScenario29_StrictHoldsBackItsKeyOnly: of a failed message every attempt comes before the next
// of its key, with its back-off, while the other keys go on. At the last attempt it is
// dead-lettered, with all of its attempts, and the next has its turn.
func TestScenario29_StrictHoldsBackItsKeyOnly(t *testing.T) {
	rig.Memory().Run(t, func(r *rig.Rig) {
		r.Limit = time.Hour
		log, began := newKeyLog(r.T), time.Now()
		r.Send(keyed(12, "a", "b", "c")...)
		order := byCustomer
		order.Strict = true
		r.Start(r.Handle(func(ctx context.Context, id string) error {
			job, _ := gentask.FromContext(ctx)
			_, leave := log.enter(job)
			defer leave()
			switch {
			case id == "1" && job.Attempt() < 3, id == "5":
				return errKeyed
			}
			return nil
		}), gentask.Config{
			Concurrency: 1, Prefetch: 12, Retry: gentask.Retry{MaxAttempts: 4, Backoff: gentask.Backoff{Base: time.Minute}},
			Policy: gentask.Policy{Order: order},
		})
		r.Rest()
		require.Equal(r, []string{"3.1", "6.1", "9.1", "12.1"}, log.of("c"))
		require.WithinDuration(r, began, log.lastOf("c"), 0, "nothing holds back the other keys")
		r.Finish()

		require.Equal(r, []string{"1.1", "1.2", "1.3", "4.1", "7.1", "10.1"}, log.of("a"))
		require.Equal(r, []string{"2.1", "5.1", "5.2", "5.3", "5.4", "8.1", "11.1"}, log.of("b"))
		stats := r.Memory.Stats()
		require.Equal(r, 12, stats.Delivered, "the broker saw no requeue")
		require.Zero(r, stats.Requeued)
		letters, err := r.DeadLetters(r.Context())
		require.NoError(r, err)
		require.Len(r, letters, 1)
		require.Equal(r, "4", letters[0].Headers[queue.HeaderAttempts])
		requireInPlace(r)
	})
}

// requireInPlace checks that each attempt was told as one, and how.
func requireInPlace(r *rig.Rig) {
	r.Helper()
	var told []string
	for _, ev := range r.Events(gentask.EventDone) {
		if ev.InPlace {
			require.Equal(r, queue.Requeue, ev.Disposition)
			require.ErrorIs(r, ev.Reason, errKeyed)
			told = append(told, fmt.Sprintf("%s.%d", ev.ID, ev.Attempt))
		}
	}
	slices.Sort(told)
	require.Equal(r, []string{"1.1", "1.2", "5.1", "5.2", "5.3"}, told)
}

// TestScenario29_OutOfPlaceWithoutStrict: without Strict a failed message goes back to the queue,
// and its key goes on.
func TestScenario29_OutOfPlaceWithoutStrict(t *testing.T) {
	rig.Memory().Run(t, func(r *rig.Rig) {
		log := newKeyLog(r.T)
		r.Send(keyed(3, "a")...)
		r.Start(r.Handle(func(ctx context.Context, id string) error {
			job, _ := gentask.FromContext(ctx)
			_, leave := log.enter(job)
			defer leave()
			if id == "1" && job.Attempt() == 1 {
				return errKeyed
			}
			return nil
		}), gentask.Config{Prefetch: 10, Policy: gentask.Policy{Order: byCustomer}})
		r.Finish()
		require.Equal(r, []string{"1.1", "2.1", "3.1", "1.2"}, log.of("a"))
	})
}

func strictly(r *rig.Rig) {
	log := newKeyLog(r.T)
	r.Send(keyed(100, "a", "b", "c", "d")...)
	r.Start(r.Handle(func(ctx context.Context, id string) error {
		job, _ := gentask.FromContext(ctx)
		_, leave := log.enter(job)
		defer leave()
		if n, _ := strconv.Atoi(id); n%10 == 1 && (n == 51 || job.Attempt() == 1) {
			return errKeyed
		}
		return nil
	}), gentask.Config{
		Prefetch: 100, Retry: gentask.Retry{MaxAttempts: 3, Backoff: gentask.Backoff{Base: 20 * time.Millisecond}},
		Policy: gentask.Policy{Order: gentask.Order{Key: byCustomer.Key, Strict: true}},
	})
	r.Finish()
	for i, key := range []string{"a", "b", "c", "d"} {
		var want []string
		for n := i + 1; n <= 100; n += 4 {
			want = append(want, fmt.Sprintf("%d.1", n))
			if n%10 == 1 {
				want = append(want, fmt.Sprintf("%d.2", n))
			}
			if n == 51 {
				want = append(want, fmt.Sprintf("%d.3", n))
			}
		}
		require.Equal(r, want, log.of(key))
	}
	letters, err := r.DeadLetters(r.Context())
	require.NoError(r, err)
	require.Len(r, letters, 1)
	require.Equal(r, "3", letters[0].Headers[queue.HeaderAttempts])
}

// TestScenario29_StrictIsBounded: a delivery that would be held for longer than Hold is
// dead-lettered, and reports it.
func TestScenario29_StrictIsBounded(t *testing.T) {
	rig.Memory().Run(t, func(r *rig.Rig) {
		r.Limit = time.Hour
		r.Send(keyed(2, "a")...)
		r.Start(r.Handle(func(_ context.Context, id string) error {
			if id == "1" {
				return errKeyed
			}
			return nil
		}), gentask.Config{
			Retry:  gentask.Retry{MaxAttempts: -1},
			Policy: gentask.Policy{Order: gentask.Order{Key: byCustomer.Key, Strict: true, Hold: 10 * time.Minute}},
		})
		began := time.Now()
		r.Finish()
		require.Less(r, time.Since(began), 10*time.Minute)
		var held *gentask.HoldError
		for _, ev := range r.Events(gentask.EventDone) {
			if ev.Disposition == queue.DeadLetter {
				require.ErrorAs(r, ev.Reason, &held)
			}
		}
		require.NotNil(r, held)
		require.Equal(r, 10*time.Minute, held.Hold)
		require.ErrorIs(r, held, errKeyed)
		require.Equal(r, 1, r.Memory.Stats().DeadLettered)
	})
}

// TestScenario29_StrictGivesBack: what waits for its next attempt goes back when the consumer
// pauses or stops, and is lost with its session, like others that have not been started.
func TestScenario29_StrictGivesBack(t *testing.T) {
	ends := map[string]func(r *rig.Rig, c *gentask.Consumer){
		"Pause": func(r *rig.Rig, c *gentask.Consumer) {
			require.NoError(r, c.Pause(r.Context()))
			r.Rest()
			require.Equal(r, 3, r.Memory.Stats().Released)
			require.NoError(r, c.Resume(r.Context()))
		},
		"Stop": func(r *rig.Rig, c *gentask.Consumer) {
			require.Equal(r, 3, r.Stop(c).Returned)
			require.NoError(r, c.Start())
		},
		"Loss": func(r *rig.Rig, _ *gentask.Consumer) { r.Break() },
	}
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			rig.Memory().Run(t, func(r *rig.Rig) {
				log, fail := newKeyLog(r.T), true
				r.Send(keyed(3, "a")...)
				c := r.Start(r.Handle(func(ctx context.Context, id string) error {
					job, _ := gentask.FromContext(ctx)
					_, leave := log.enter(job)
					defer leave()
					if fail {
						return errKeyed
					}
					return nil
				}), gentask.Config{
					Retry:  gentask.Retry{Backoff: gentask.Backoff{Base: time.Hour, Max: time.Hour}},
					Policy: gentask.Policy{Order: gentask.Order{Key: byCustomer.Key, Strict: true, Hold: -1}},
				})
				r.Rest()
				require.Equal(r, []string{"1.1"}, log.of("a"))
				require.Equal(r, 3, c.Health().Held)
				require.Zero(r, c.Health().Running)
				fail = false
				end(r, c)
				r.Finish()
				ids := log.of("a")
				require.Len(r, ids, 4)
				for i, id := range []string{"1.", "2.", "3."} {
					require.Contains(r, ids[i+1], id, "in order")
				}
			})
		})
	}
}

// TestScenario29_KeyFunctionFails: a key function that panics, calls Goexit or hangs is an error in
// the log, and its message runs without a key.
func TestScenario29_KeyFunctionFails(t *testing.T) {
	rig.Memory().Run(t, func(r *rig.Rig) {
		r.Allow.Logged = true
		r.Publish(4)
		hang := make(chan struct{})
		r.Start(r.Handle(func(context.Context, string) error { return nil }), gentask.Config{
			Policy: gentask.Policy{Order: gentask.Order{Key: func(m *queue.Message) string {
				switch m.ID {
				case "1":
					panic(errKeyed)
				case "2":
					runtime.Goexit()
				case "3":
					<-hang
				}
				return "a"
			}}},
		})
		r.Finish()
		close(hang)
		require.Equal(r, 4, r.Memory.Stats().Acked)
		require.Len(r, r.Logged(), 3)
	})
}

// TestScenario29_FairnessTakesTurns: a tenant with ten messages is done when it has had ten turns,
// even if another has thousands before it.
func TestScenario29_FairnessTakesTurns(t *testing.T) {
	rig.Memory().Run(t, func(r *rig.Rig) {
		began := time.Now()
		msgs := slices.Concat(keyed(1000, "many"), keyed(10, "few"))
		for i := range msgs {
			msgs[i].ID = strconv.Itoa(i)
		}
		r.Send(msgs...)
		var few sync.WaitGroup
		few.Add(10)
		r.Start(r.Handle(func(ctx context.Context, _ string) error {
			job, _ := gentask.FromContext(ctx)
			if key := job.Headers()["customer"]; key == "few" {
				defer few.Done()
			}
			return rig.Pause(ctx, time.Second)
		}), gentask.Config{Concurrency: 4, Prefetch: 1010, Policy: gentask.Policy{Fairness: gentask.Fairness{Key: gentask.KeyHeader("customer")}}})
		few.Wait()
		require.LessOrEqual(r, time.Since(began), 7*time.Second, "half of the four slots for ten jobs of a second, after the first have ended")
		require.Less(r, r.Memory.Stats().Acked, 30)
		r.Limit = time.Hour
		r.Finish()
	})
}
