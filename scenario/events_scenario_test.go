package scenario_test

import (
	"context"
	"errors"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/internal/rig"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/task"
)

// end is the part of an end event that tests compare.
type end struct {
	Attempt     int
	Redelivered bool
	Disposition queue.Disposition
	After       time.Duration
	Outcome     task.Status
	QueueTime   time.Duration
	RunTime     time.Duration
}

var errJob = errors.New("job failed")

// ending is one way in which a delivery can end.
type ending struct {
	name   string
	run    func(ctx context.Context, job gentask.Job[any]) error
	cfg    gentask.Config
	reason error
	want   end
}

const endWait, endWork, endBackoff = 3 * time.Second, 2 * time.Second, time.Minute

func endings() []ending {
	return []ending{
		{
			name: "Ack",
			run:  func(ctx context.Context, _ gentask.Job[any]) error { return rig.Pause(ctx, endWork) },
			want: end{Disposition: queue.Ack, Outcome: task.OK, RunTime: endWork},
		}, {
			name: "Requeue",
			run: func(ctx context.Context, _ gentask.Job[any]) error {
				return errors.Join(rig.Pause(ctx, endWork), errJob)
			},
			reason: errJob,
			want:   end{Disposition: queue.Requeue, After: endBackoff, Outcome: task.Exit, RunTime: endWork},
		}, {
			name: "LastAttempt",
			run: func(ctx context.Context, _ gentask.Job[any]) error {
				return errors.Join(rig.Pause(ctx, endWork), errJob)
			},
			cfg:    gentask.Config{Retry: gentask.Retry{MaxAttempts: 1}},
			reason: errJob,
			want:   end{Disposition: queue.DeadLetter, Outcome: task.Exit, RunTime: endWork},
		}, {
			name:   "Panic",
			run:    func(context.Context, gentask.Job[any]) error { panic(errJob) },
			reason: errJob,
			want:   end{Disposition: queue.Requeue, After: endBackoff, Outcome: task.Exit},
		}, {
			name:   "Timeout",
			run:    func(ctx context.Context, _ gentask.Job[any]) error { return rig.Pause(ctx, time.Hour) },
			cfg:    gentask.Config{Timeout: endWork},
			reason: task.ErrTimeout,
			want:   end{Disposition: queue.Requeue, After: endBackoff, Outcome: task.Timeout, RunTime: endWork},
		}, {
			name: "EarlyAckThenError",
			run: func(ctx context.Context, job gentask.Job[any]) error {
				return errors.Join(job.Settle(gentask.Ack()), rig.Pause(ctx, endWork), errJob)
			},
			want: end{Disposition: queue.Ack, Outcome: task.Exit, RunTime: endWork},
		}, {
			name: "EarlyDeadLetterThenReturn",
			run: func(ctx context.Context, job gentask.Job[any]) error {
				return errors.Join(job.Settle(gentask.DeadLetter(errJob)), rig.Pause(ctx, endWork))
			},
			reason: errJob,
			want:   end{Disposition: queue.DeadLetter, Outcome: task.OK, RunTime: endWork},
		}, {
			name: "EarlyRelease",
			run: func(ctx context.Context, job gentask.Job[any]) error {
				return errors.Join(job.Settle(gentask.Release()), rig.Pause(ctx, endWork))
			},
			want: end{Disposition: queue.Release, Outcome: task.OK, RunTime: endWork},
		},
	}
}

// TestScenario34_StartAndEnd: however a delivery ends, it has one start event and one end event,
// with the right numbers.
func TestScenario34_StartAndEnd(t *testing.T) {
	for _, c := range endings() {
		t.Run(c.name, func(t *testing.T) {
			rig.Memory().Run(t, func(r *rig.Rig) {
				c.cfg.Retry.Rules = []gentask.Rule{{When: gentask.WhenFailed, Backoff: gentask.ConstantBackoff(endBackoff)}}
				c.cfg.Concurrency = 1
				r.Publish(1)
				time.Sleep(endWait)
				r.Start(r.Handle(func(ctx context.Context, _ string) error {
					job, _ := gentask.FromContext(ctx)
					if r.Runs.Total() > 1 {
						return nil
					}
					return c.run(ctx, job)
				}), c.cfg)
				r.Eventually("it has ended", func() bool { return len(r.Events(gentask.EventDone)) > 0 })
				ev := r.Events(gentask.EventDone)[0]
				begin := r.Events(gentask.EventStarted)[0]
				require.Equal(r, endWait, begin.QueueTime)
				require.Equal(r, "1", begin.ID)
				require.False(r, begin.Time.After(ev.Time.Add(-ev.RunTime)))
				c.want.Attempt, c.want.QueueTime = 1, endWait
				requireEnd(r, c.want, ev)
				if c.reason == nil {
					require.NoError(r, ev.Reason)
				} else {
					require.ErrorIs(r, ev.Reason, c.reason)
				}
			})
		})
	}
}

// requireEnd compares.
func requireEnd(r *rig.Rig, want end, ev gentask.Event) {
	r.Helper()
	got := end{ev.Attempt, ev.Redelivered, ev.Disposition, ev.After, ev.Outcome, ev.QueueTime, ev.RunTime}
	require.Equal(r, want, got)
}

// TestScenario34_NotRun: deliveries that never ran have their two events as well.
func TestScenario34_NotRun(t *testing.T) {
	rig.Memory().Run(t, func(r *rig.Rig) {
		r.Publish(4)
		c := r.Start(r.Handle(func(ctx context.Context, _ string) error { return rig.Pause(ctx, time.Minute) }),
			gentask.Config{Concurrency: 1, Prefetch: 4, Timeout: -1})
		r.Eventually("the prefetch is full", func() bool { return r.Memory.Stats().Held == 4 })
		time.Sleep(time.Second)
		r.Break() // 1 is cancelled, 2 to 4 are dropped
		r.Eventually("all four are lost", func() bool { return len(r.Events(gentask.EventDone)) == 4 })
		for _, ev := range r.Events(gentask.EventDone) {
			require.Zero(r, ev.Disposition)
			require.ErrorIs(r, ev.Reason, gentask.ErrSessionLost)
			if ev.ID != "1" {
				requireEnd(r, end{Attempt: 1}, ev)
			}
		}
		r.Eventually("they are back", func() bool { return len(r.Events(gentask.EventReceived)) == 8 })
		r.Stop(c) // 1 finishes, 2 to 4 are released
		for _, ev := range r.Events(gentask.EventStarted) {
			require.Equal(r, "1", ev.ID)
		}
		ends := r.Events(gentask.EventDone)[4:]
		require.Len(r, ends, 4)
		for _, ev := range ends {
			require.Equal(r, 2, ev.Attempt)
			require.True(r, ev.Redelivered)
			if ev.ID != "1" {
				requireEnd(r, end{Attempt: 2, Redelivered: true, Disposition: queue.Release}, ev)
			}
		}
	})
}

// TestScenario34_Order: the events of a consumer's life come in the order in which things happened.
func TestScenario34_Order(t *testing.T) {
	rig.Memory().Run(t, func(r *rig.Rig) {
		c := r.Start(r.Handle(func(context.Context, string) error { return nil }), gentask.Config{Name: "mailer"})
		r.Publish(1)
		r.Finish()
		require.NoError(r, c.Pause(r.Context()))
		require.NoError(r, c.Pause(r.Context()), "twice is once")
		r.Rest()
		require.NoError(r, c.Resume(r.Context()))
		r.Rest()
		r.Break()
		r.Rest()
		time.Sleep(time.Second)
		report := r.Stop(c)
		want := []gentask.EventKind{
			gentask.EventSessionOpened, gentask.EventReceived, gentask.EventStarted, gentask.EventDone,
			gentask.EventPaused, gentask.EventResumed,
			gentask.EventSessionLost, gentask.EventSessionOpened, gentask.EventDraining, gentask.EventDrained,
		}
		var kinds []gentask.EventKind
		var last time.Time
		for _, ev := range r.Events() {
			kinds = append(kinds, ev.Kind)
			require.Equal(r, "mailer", ev.Consumer)
			require.False(r, ev.Time.Before(last))
			last = ev.Time
		}
		require.Equal(r, want, kinds)
		require.Equal(r, &report, r.Events(gentask.EventDrained)[0].Report)
	})
}

// TestScenario34_BadSubscriber: one that panics, or calls Goexit, for every event, harms nothing
// and still gets every event once.
func TestScenario34_BadSubscriber(t *testing.T) {
	for name, harm := range map[string]func(){
		"Panic":  func() { panic("subscriber") },
		"Goexit": runtime.Goexit,
		"Slow":   func() { time.Sleep(time.Second) },
	} {
		t.Run(name, func(t *testing.T) {
			rig.Memory().Run(t, func(r *rig.Rig) {
				const jobs = 100
				var ends atomic.Int32
				r.Publish(jobs)
				c := r.Start(r.Handle(func(context.Context, string) error { return nil }), gentask.Config{OnEvent: func(ev gentask.Event) {
					if ev.Kind == gentask.EventDone {
						ends.Add(1)
					}
					harm()
				}})
				r.Finish()
				require.Equal(r, jobs, r.Memory.Stats().Acked)
				r.Limit = time.Hour
				r.Stop(c) // which waits for the subscriber
				require.EqualValues(r, jobs, ends.Load())
			})
		})
	}
}
