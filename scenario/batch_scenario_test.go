package scenario_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/internal/rig"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/memory"
	"github.com/gentask/gentask/task"
)

type (
	batchJobs = []gentask.Job[[]byte]
	batchFunc = func(ctx context.Context, jobs batchJobs) (gentask.Results, error)
)

// batchLog records the batches that were handled.
type batchLog struct {
	mu    sync.Mutex
	sizes []int
	at    []time.Time
}

// batch makes a behaviour of f that is recorded.
func (c *batchLog) batch(f batchFunc, cfg gentask.BatchConfig) gentask.Behavior {
	return gentask.Batch(func(ctx context.Context, jobs batchJobs) (gentask.Results, error) {
		c.mu.Lock()
		c.sizes, c.at = append(c.sizes, len(jobs)), append(c.at, time.Now())
		c.mu.Unlock()
		return f(ctx, jobs)
	}, cfg)
}

func allDone(_ context.Context, jobs batchJobs) (gentask.Results, error) {
	return gentask.AllDone(jobs), nil
}

// firstEnds returns how the first attempt of each job ended.
func firstEnds(r *rig.Rig) map[string]gentask.Event {
	r.Helper()
	ends := map[string]gentask.Event{}
	for _, ev := range r.Events(gentask.EventDone) {
		if _, ok := ends[ev.ID]; !ok {
			ends[ev.ID] = ev
		}
	}
	return ends
}

// TestScenario30_SomeFailSomeAreForgotten: of ten handled together three fail and two are
// forgotten. Five are acknowledged, five requeued, each with its own reason; later all end.
func TestScenario30_SomeFailSomeAreForgotten(t *testing.T) {
	rig.Memory().Run(t, someForgotten)
}

func someForgotten(r *rig.Rig) {
	c := &batchLog{}
	r.Publish(10)
	behavior := c.batch(func(_ context.Context, jobs batchJobs) (gentask.Results, error) {
		results := gentask.AllDone(jobs)
		for _, job := range jobs {
			switch n, _ := strconv.Atoi(job.ID()); {
			case job.Attempt() > 1:
			case n <= 3:
				results[job.ID()] = errOwn
			case n <= 5:
				delete(results, job.ID())
			}
		}
		return results, nil
	}, gentask.BatchConfig{Size: 10, Wait: 2 * time.Second})
	r.Start(behavior, gentask.Config{Retry: gentask.Retry{Backoff: gentask.Backoff{Base: 100 * time.Millisecond}}})
	r.Finish()
	require.Equal(r, 10, c.sizes[0])
	for id, ev := range firstEnds(r) {
		switch n, _ := strconv.Atoi(id); {
		case n <= 3:
			require.Equal(r, queue.Requeue, ev.Disposition)
			require.ErrorIs(r, ev.Reason, errOwn)
		case n <= 5:
			require.Equal(r, queue.Requeue, ev.Disposition)
			require.ErrorIs(r, ev.Reason, gentask.ErrNoResult)
			require.ErrorContains(r, ev.Reason, "no result")
		default:
			require.Equal(r, queue.Ack, ev.Disposition)
		}
	}
	require.Len(r, r.Events(gentask.EventDone), 15)
}

// TestScenario30_AFunctionThatFails requeues all of them, with any result of before; what it
// returns as an error, only those without a result.
func TestScenario30_AFunctionThatFails(t *testing.T) {
	for name, c := range map[string]struct {
		end    func() error
		failed int
		reason error
	}{
		"panic":  {func() error { panic(errOwn) }, 10, errOwn},
		"Goexit": {func() error { runtime.Goexit(); return nil }, 10, actor.ErrGoexit},
		"error":  {func() error { return errOwn }, 6, errOwn},
	} {
		t.Run(name, func(t *testing.T) {
			rig.Memory().Run(t, func(r *rig.Rig) {
				first := true
				r.Publish(10)
				r.Start((&batchLog{}).batch(func(_ context.Context, jobs batchJobs) (gentask.Results, error) {
					if !first {
						return gentask.AllDone(jobs), nil
					}
					first = false
					return gentask.AllDone(jobs[:4]), c.end()
				}, gentask.BatchConfig{}), gentask.Config{})
				r.Finish()
				require.Equal(r, c.failed, r.Memory.Stats().Requeued)
				require.Equal(r, 10, r.Memory.Stats().Acked)
				failed := 0
				for _, ev := range firstEnds(r) {
					if ev.Disposition == queue.Requeue {
						failed++
						require.ErrorIs(r, ev.Reason, c.reason)
						require.Equal(r, name != "error", strings.Contains(actor.Stack(ev.Reason), "AFunctionThatFails"))
					}
				}
				require.Equal(r, c.failed, failed)
			})
		})
	}
}

// TestScenario30_Limits: a batch is handled when it is full, in number or in bytes, and a partial
// one when its time is up.
func TestScenario30_Limits(t *testing.T) {
	const wait = 3 * time.Second
	for name, c := range map[string]struct {
		bodies      []int // lengths
		cfg         gentask.BatchConfig
		concurrency int
		sizes       []int
		took        time.Duration
	}{
		"size":           {[]int{1, 1, 1, 1, 1, 1}, gentask.BatchConfig{Size: 3}, 10, []int{3, 3}, 0},
		"time":           {[]int{1, 1, 1, 1}, gentask.BatchConfig{Size: 3}, 10, []int{3, 1}, wait},
		"bytes, exactly": {[]int{50, 50, 50, 50}, gentask.BatchConfig{Bytes: 100}, 10, []int{2, 2}, 0},
		"bytes, over":    {[]int{60, 60, 60}, gentask.BatchConfig{Bytes: 100}, 10, []int{1, 1, 1}, wait},
		"bytes, large":   {[]int{500, 500, 500}, gentask.BatchConfig{Bytes: 100}, 10, []int{1, 1, 1}, 0},
		"no free slot":   {[]int{1, 1, 1, 1}, gentask.BatchConfig{Size: 2, Key: byLength}, 2, []int{2, 2}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			rig.Memory().Run(t, func(r *rig.Rig) {
				for i, n := range c.bodies {
					r.Send(queue.Message{ID: strconv.Itoa(i), Body: make([]byte, n)})
				}
				begin := time.Now()
				got := &batchLog{}
				c.cfg.Wait = wait
				r.Start(got.batch(allDone, c.cfg), gentask.Config{Concurrency: c.concurrency})
				r.Finish()
				require.ElementsMatch(r, c.sizes, got.sizes)
				require.Equal(r, c.took, time.Since(begin))
			})
		})
	}
}

func byLength(msg *queue.Message) string { return strconv.Itoa(len(msg.Body)) }

// TestScenario30_Keys are never mixed, and a key that waits for company holds up no other; when
// they have taken all slots, the oldest goes.
func TestScenario30_Keys(t *testing.T) {
	rig.Memory().Run(t, func(r *rig.Rig) {
		for i := range 300 {
			r.Send(queue.Message{ID: strconv.Itoa(i), Body: make([]byte, 1+i%7)})
		}
		begin := time.Now()
		r.Start((&batchLog{}).batch(func(_ context.Context, jobs batchJobs) (gentask.Results, error) {
			for _, job := range jobs {
				require.Len(r, job.Body(), len(jobs[0].Body()))
			}
			return gentask.AllDone(jobs), nil
		}, gentask.BatchConfig{Size: 5, Wait: 30 * time.Second, Key: byLength}), gentask.Config{Concurrency: 20})
		r.Finish()
		require.LessOrEqual(r, time.Since(begin), 30*time.Second, "the last few of each key")
	})
}

// TestScenario30_AKeyThatPanics fails its own job, and no other.
func TestScenario30_AKeyThatPanics(t *testing.T) {
	rig.Memory().Run(t, func(r *rig.Rig) {
		r.Publish(3)
		r.Start((&batchLog{}).batch(allDone, gentask.BatchConfig{Key: func(msg *queue.Message) string {
			if msg.ID == "2" {
				panic(errOwn)
			}
			return ""
		}}), gentask.Config{Retry: gentask.Retry{MaxAttempts: 1}})
		r.Finish()
		require.Equal(r, 2, r.Memory.Stats().Acked)
		require.ErrorIs(r, eventOf(r, "2").Reason, errOwn)
	})
}

// TestScenario30_Drain: the unstarted go back, and a partial batch is handled at once, not when its
// time is up.
func TestScenario30_Drain(t *testing.T) {
	rig.Memory().Run(t, func(r *rig.Rig) {
		got := &batchLog{}
		r.Publish(3)
		c := r.Start(got.batch(allDone, gentask.BatchConfig{Wait: time.Hour}), gentask.Config{Timeout: -1})
		r.Eventually("they wait", func() bool { return c.Health().Running == 3 })
		begin := time.Now()
		require.Equal(r, gentask.DrainReport{Finished: 3}, r.Stop(c))
		require.Equal(r, []int{3}, got.sizes)
		require.Less(r, time.Since(begin), time.Second)
	})
}

// TestScenario30_WhatNeverJoins: a payload that can't be decoded is dead-lettered, and the batch
// goes without it.
func TestScenario30_WhatNeverJoins(t *testing.T) {
	rig.Memory().Run(t, func(r *rig.Rig) {
		r.Publish(2)
		r.Send(queue.Message{ID: "bad", Body: []byte("}{")})
		r.Start(gentask.Batch(func(_ context.Context, jobs []gentask.Job[string]) (gentask.Results, error) {
			require.Len(r, jobs, 2)
			return gentask.AllDone(jobs), nil
		}, gentask.BatchConfig{}), gentask.Config{Decode: func(msg *queue.Message, into any) error {
			if msg.ID == "bad" {
				return errOwn
			}
			return gentask.DecodeJSON(msg, into)
		}})
		r.Finish()
		require.Error(r, requireDeadLetter(r, "bad"))
		require.Equal(r, 2, r.Memory.Stats().Acked)
	})
}

func TestScenario30_ConfigIsChecked(t *testing.T) {
	for want, cfg := range map[string]gentask.BatchConfig{
		"BatchConfig.Size is 11; want Concurrency, which is 10, at most": {Size: 11},
		"BatchConfig.Size is -1; want 0 for as many as Concurrency":      {Size: -1},
		"BatchConfig.Bytes is -1; want 0 for no limit":                   {Bytes: -1},
		"BatchConfig.Wait is -1ns; want 0 for 1s":                        {Wait: -1},
	} {
		_, err := gentask.New(memory.New(memory.Config{}), gentask.Batch(allDone, cfg), gentask.Config{})
		require.ErrorIs(t, err, gentask.ErrConfig)
		require.ErrorContains(t, err, want)
	}
	_, err := gentask.New(memory.New(memory.Config{}), gentask.Batch[int](nil, gentask.BatchConfig{}), gentask.Config{})
	require.ErrorContains(t, err, "behavior is empty")
}

// TestScenario30_Timeout counts from when the batch is handled, not from when its first job began
// to wait, and it is the same for all.
func TestScenario30_Timeout(t *testing.T) {
	for name, c := range map[string]struct {
		work  time.Duration
		acked int
	}{
		"in time":  {9 * time.Second, 3},
		"too late": {11 * time.Second, 0},
	} {
		t.Run(name, func(t *testing.T) {
			rig.Memory().Run(t, func(r *rig.Rig) {
				r.Publish(3)
				r.Start((&batchLog{}).batch(func(ctx context.Context, jobs batchJobs) (gentask.Results, error) {
					if err := rig.Pause(ctx, c.work); err != nil {
						return nil, err
					}
					return gentask.AllDone(jobs), nil
				}, gentask.BatchConfig{Wait: 8 * time.Second}), gentask.Config{Timeout: 10 * time.Second, Retry: gentask.Retry{MaxAttempts: 1}})
				r.Finish()
				require.Equal(r, c.acked, r.Memory.Stats().Acked)
				for _, ev := range firstEnds(r) {
					if c.acked == 0 {
						require.Equal(r, task.Timeout, ev.Outcome)
						require.ErrorIs(r, ev.Reason, task.ErrTimeout)
						require.Equal(r, 18*time.Second, ev.RunTime)
					}
				}
			})
		})
	}
}

// TestScenario30_AFunctionThatWillNotStop: beyond timeout and grace one task is abandoned, that
// which runs it; the others are only late.
func TestScenario30_AFunctionThatWillNotStop(t *testing.T) {
	for name, stop := range map[string]func(r *rig.Rig, c *gentask.Consumer){
		"timeout": func(*rig.Rig, *gentask.Consumer) {},
		"cancelled": func(r *rig.Rig, c *gentask.Consumer) {
			for i := range 3 {
				require.NoError(r, c.Cancel(r.Context(), strconv.Itoa(i+1)))
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			rig.Memory().Run(t, func(r *rig.Rig) {
				release, first := make(chan struct{}), true
				r.Publish(3)
				got := &batchLog{}
				cfg := gentask.Config{Concurrency: 3, Timeout: time.Minute}
				cfg.Retry.Backoff = gentask.Backoff{Base: time.Hour, Max: time.Hour}
				c := r.Start(got.batch(func(_ context.Context, jobs batchJobs) (gentask.Results, error) {
					if first {
						first = false
						<-release
					}
					return gentask.AllDone(jobs), nil
				}, gentask.BatchConfig{Size: 3}), cfg)
				r.Limit = 24 * time.Hour
				r.Eventually("they run", func() bool { return len(got.sizes) == 1 })
				stop(r, c)
				r.Eventually("all have been settled", func() bool { return c.Health().Held == 0 })
				r.Rest()
				require.Equal(r, 1, c.Health().Abandoned)
				tasks, err := c.Tasks(r.Context())
				require.NoError(r, err)
				require.Len(r, tasks, 1)
				require.Contains(r, tasks[0].Stack, "AFunctionThatWillNotStop")
				close(release)
				r.Finish()
				require.Zero(r, c.Health().Abandoned)
			})
		})
	}
}

// TestScenario30_Cancel takes one job out: before its batch is handled, at once; afterwards when
// the function returns, and then a result counts. If it is the one in whose task the function runs,
// the others lose no attempt.
func TestScenario30_Cancel(t *testing.T) {
	t.Run("before", func(t *testing.T) {
		rig.Memory().Run(t, func(r *rig.Rig) {
			got := &batchLog{}
			r.Publish(3)
			c := r.Start(got.batch(allDone, gentask.BatchConfig{Wait: 30 * time.Second}), gentask.Config{Timeout: -1})
			r.Eventually("they wait", func() bool { return c.Health().Running == 3 })
			for _, id := range []string{"1", "2"} {
				require.NoError(r, c.Cancel(r.Context(), id))
				requireDeadLetterSoon(r, id)
			}
			require.Empty(r, got.sizes)
			r.Finish()
			require.Equal(r, []int{1}, got.sizes)
			require.Equal(r, 1, r.Memory.Stats().Acked)
		})
	})
	for leading := range 2 {
		t.Run(fmt.Sprintf("meanwhile, leading %d", leading), func(t *testing.T) {
			rig.Memory().Run(t, func(r *rig.Rig) { cancelMeanwhile(r, leading == 1) })
		})
	}
}

func requireDeadLetterSoon(r *rig.Rig, id string) {
	r.Helper()
	r.Eventually(id+" has ended", func() bool { _, ok := firstEnds(r)[id]; return ok })
	require.ErrorIs(r, firstEnds(r)[id].Reason, gentask.ErrCancelled)
	require.Equal(r, queue.DeadLetter, firstEnds(r)[id].Disposition)
}

func cancelMeanwhile(r *rig.Rig, leading bool) {
	var leader string
	got := &batchLog{}
	r.Publish(3)
	c := r.Start(got.batch(func(ctx context.Context, jobs batchJobs) (gentask.Results, error) {
		job, _ := gentask.FromContext(ctx)
		leader = job.ID()
		if err := rig.Pause(ctx, 2*time.Second); err != nil {
			return nil, err
		}
		return gentask.AllDone(jobs), nil
	}, gentask.BatchConfig{Size: 3}), gentask.Config{Concurrency: 3})
	r.Eventually("it is handled", func() bool { return leader != "" })
	id, others := leader, 0
	if !leading {
		id = map[bool]string{true: "2", false: "1"}[leader == "1"]
	}
	require.NoError(r, c.Cancel(r.Context(), id))
	r.Finish()
	for other, ev := range firstEnds(r) {
		switch {
		case !leading:
			require.Equal(r, queue.Ack, ev.Disposition, "the value was there before the grace was over")
		case other == id:
			require.Equal(r, queue.DeadLetter, ev.Disposition)
			require.ErrorIs(r, ev.Reason, gentask.ErrCancelled)
		default:
			require.Equal(r, queue.Release, ev.Disposition)
			others++
		}
	}
	if leading {
		require.Equal(r, 2, others)
		require.Equal(r, 2, r.Memory.Stats().Acked)
	}
	for _, ev := range r.Events(gentask.EventDone) {
		require.Equal(r, 1, ev.Attempt)
	}
}

var errGroup = errors.New("goroutine failed")

// TestScenario30_AGoroutineThatPanics belongs to the function when task.Go started it: all of the
// batch fails.
func TestScenario30_AGoroutineThatPanics(t *testing.T) {
	rig.Memory().Run(t, func(r *rig.Rig) {
		first := true
		r.Publish(3)
		r.Start((&batchLog{}).batch(func(ctx context.Context, jobs batchJobs) (gentask.Results, error) {
			if !first {
				return gentask.AllDone(jobs), nil
			}
			first = false
			require.NoError(r, task.Go(ctx, func(context.Context) error { panic(errGroup) }))
			<-ctx.Done()
			return nil, ctx.Err()
		}, gentask.BatchConfig{Size: 3}), gentask.Config{})
		r.Finish()
		require.Equal(r, 3, r.Memory.Stats().Requeued)
		for _, ev := range firstEnds(r) {
			require.ErrorIs(r, ev.Reason, errGroup)
		}
	})
}

// mayhem is a function that handles a batch, or fails to, in any way there is. No job may be
// handled by two calls at a time.
type mayhem struct {
	mu      sync.Mutex
	random  *rand.Rand
	active  map[string]bool
	overlap []string
}

func (m *mayhem) enter(jobs batchJobs) (leave func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, job := range jobs {
		if m.active[job.ID()] {
			m.overlap = append(m.overlap, job.ID())
		}
		m.active[job.ID()] = true
	}
	return func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		for _, job := range jobs {
			delete(m.active, job.ID())
		}
	}
}

func (m *mayhem) draw(n int) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.random.IntN(n)
}

func (m *mayhem) handle(ctx context.Context, jobs batchJobs) (gentask.Results, error) {
	defer m.enter(jobs)()
	results := gentask.AllDone(jobs)
	for _, job := range jobs {
		switch m.draw(20) {
		case 0:
			results[job.ID()] = errOwn
		case 1:
			delete(results, job.ID())
		}
	}
	switch m.draw(10) {
	case 0:
		panic(errOwn)
	case 1:
		runtime.Goexit()
	case 2:
		<-ctx.Done() // time is up, or the session is lost
		return results, ctx.Err()
	case 3:
		job, _ := gentask.FromContext(ctx)
		job.Cancel()
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return results, rig.Pause(ctx, time.Duration(m.draw(1000))*time.Millisecond)
}

// TestScenario30_WhateverHappens, to the function and to the session: every job ends once, and
// nothing is left.
func TestScenario30_WhateverHappens(t *testing.T) {
	for seed := range uint64(20) {
		t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) {
			rig.Memory().Run(t, func(r *rig.Rig) {
				const jobs = 200
				m := &mayhem{random: rand.New(rand.NewPCG(seed, 30)), active: map[string]bool{}} //nolint:gosec // a seeded test
				r.Limit = 24 * time.Hour
				for i := range jobs {
					r.Send(queue.Message{ID: strconv.Itoa(i), Body: make([]byte, 1+i%3)})
				}
				cfg := gentask.Config{Concurrency: 16, Prefetch: 20, Timeout: 2 * time.Second, Retry: gentask.Retry{MaxAttempts: -1}}
				cfg.Retry.Rules = []gentask.Rule{{When: gentask.WhenErrorIs(gentask.ErrCancelled)}}
				r.Start(gentask.Batch(m.handle, gentask.BatchConfig{Size: 4, Wait: time.Second, Key: byLength}), cfg)
				for range 5 {
					time.Sleep(time.Duration(m.draw(2000)) * time.Millisecond)
					r.Break()
				}
				r.Finish()
				require.Equal(r, jobs, r.Memory.Stats().Acked)
				require.Empty(r, m.overlap)
			})
		})
	}
}
