package scenario_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/internal/rig"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/memory"
	"github.com/gentask/gentask/task"
)

// decodeNothingNew is a decoder that can't decode bodies that begin with "new".
func decodeNothingNew(msg *queue.Message, into any) error {
	if bytes.HasPrefix(msg.Body, []byte("new")) {
		return fmt.Errorf("a format of its own: %w", queue.ErrUnknown)
	}
	return gentask.DecodeJSON(msg, into)
}

// newer are the ways in which a message may be what only a new release can do, and the
// configuration that an old one has.
var newer = map[string]struct {
	msg queue.Message
	old func(gentask.Behavior) (gentask.Behavior, gentask.Config)
}{
	"kind": {
		queue.Message{Headers: map[string]string{"kind": "new"}},
		func(b gentask.Behavior) (gentask.Behavior, gentask.Config) {
			return gentask.Mux("kind", map[string]gentask.Behavior{"old": b}), gentask.Config{}
		},
	},
	"inner kind": {
		queue.Message{Headers: map[string]string{"kind": "old", "inner": "new"}},
		func(b gentask.Behavior) (gentask.Behavior, gentask.Config) {
			inner := gentask.Mux("inner", map[string]gentask.Behavior{"": b})
			return gentask.Mux("kind", map[string]gentask.Behavior{"old": inner}), gentask.Config{}
		},
	},
	"version": {
		queue.Message{Headers: map[string]string{queue.HeaderVersion: "2"}},
		func(b gentask.Behavior) (gentask.Behavior, gentask.Config) {
			return b, gentask.Config{Versions: []string{"0", "1"}}
		},
	},
	"format": {
		queue.Message{Body: []byte("new")},
		func(b gentask.Behavior) (gentask.Behavior, gentask.Config) {
			return b, gentask.Config{Decode: decodeNothingNew}
		},
	},
	"format, in order": {
		queue.Message{Body: []byte("new")},
		func(b gentask.Behavior) (gentask.Behavior, gentask.Config) {
			cfg := gentask.Config{Decode: decodeNothingNew, Prefetch: 20}
			cfg.Policy.Order = gentask.Order{Key: func(*queue.Message) string { return "one" }, Strict: true}
			return b, cfg
		},
	},
	"deadline": {
		queue.Message{Headers: map[string]string{"deadline": "in a while"}},
		func(b gentask.Behavior) (gentask.Behavior, gentask.Config) {
			cfg := gentask.Config{}
			cfg.Policy.Middleware = []gentask.Middleware{gentask.DeadlineFrom("deadline")}
			return b, cfg
		},
	},
}

// TestScenario42_OldAndNew: of 200 messages that only the new one of two nodes can do, it does all,
// each in its first attempt.
func TestScenario42_OldAndNew(t *testing.T) {
	const jobs = 200
	for name, c := range newer {
		t.Run(name, func(t *testing.T) {
			rig.Memory().Run(t, func(r *rig.Rig) {
				for i := range jobs {
					msg := c.msg
					msg.ID = strconv.Itoa(i)
					r.Send(msg)
				}
				behavior, cfg := c.old(gentask.Handle(func(context.Context, string) error {
					assert.Fail(r, "run by the old node")
					return nil
				}))
				old := r.Start(behavior, cfg)
				time.Sleep(time.Minute)
				require.Positive(r, old.Health().PutOff)
				r.Start(r.Handle(func(ctx context.Context, _ string) error { return rig.Pause(ctx, 10*time.Millisecond) }), gentask.Config{})
				r.Limit = time.Hour
				r.Finish()
				require.Equal(r, jobs, r.Memory.Stats().Acked)
				require.Zero(r, r.Memory.Stats().DeadLettered)
				for _, ev := range r.Events(gentask.EventDone) {
					require.Equal(r, 1, ev.Attempt)
				}
			})
		})
	}
}

// TestUnknown_NobodyKnows: a message that no node can do is dead-lettered when its time is over,
// with why, and how long it was put off. The waits are 5 s at least, and grow. How long it lay in
// the queue before counts for nothing.
func TestUnknown_NobodyKnows(t *testing.T) {
	for name, c := range newer {
		for _, age := range []time.Duration{0, 48 * time.Hour} {
			t.Run(fmt.Sprintf("%s, %v old", name, age), func(t *testing.T) {
				rig.Memory().Run(t, func(r *rig.Rig) {
					msg := c.msg
					msg.ID, msg.Time = "1", time.Now().Add(-age)
					r.Send(msg)
					behavior, cfg := c.old(r.Handle(func(context.Context, string) error { return errOwn }))
					begin := time.Now()
					r.Start(behavior, cfg)
					r.Limit = time.Hour
					r.Finish()
					require.GreaterOrEqual(r, time.Since(begin), 15*time.Minute)
					require.Less(r, time.Since(begin), 15*time.Minute+2*time.Second)
					requireGivenUp(r)
				})
			})
		}
	}
}

func requireGivenUp(r *rig.Rig) {
	r.Helper()
	ends := r.Events(gentask.EventDone)
	for i, ev := range ends {
		require.Equal(r, 1, ev.Attempt)
		if i == len(ends)-1 {
			require.Equal(r, queue.DeadLetter, ev.Disposition)
			require.ErrorContains(r, ev.Reason, fmt.Sprintf("put off %d times in 15m", i))
			continue
		}
		require.Equal(r, queue.Release, ev.Disposition)
		if i < len(ends)-2 {
			require.GreaterOrEqual(r, ev.After, 5*time.Second)
			require.LessOrEqual(r, ev.After, time.Minute)
		}
	}
	require.Less(r, len(ends), 40)
	require.Greater(r, len(ends), 15)
	require.Zero(r, r.Runs.Of("1"))
	letter := r.Memory.DeadLetters()[0]
	require.Contains(r, letter.Headers[queue.HeaderReason], fmt.Sprintf("put off %d times in 15m", len(ends)-1))
}

// TestUnknown_AtOnce: where nothing is to be put off, it is dead-lettered with what is unknown.
func TestUnknown_AtOnce(t *testing.T) {
	for name, c := range newer {
		t.Run(name, func(t *testing.T) {
			rig.Memory().Run(t, func(r *rig.Rig) {
				msg := c.msg
				msg.ID = "1"
				r.Send(msg)
				behavior, cfg := c.old(r.Handle(func(context.Context, string) error { return nil }))
				cfg.Unknown.For = -1
				begin := time.Now()
				r.Start(behavior, cfg)
				r.Finish()
				require.Zero(r, time.Since(begin))
				require.Equal(r, 1, r.Memory.Stats().DeadLettered)
				require.Zero(r, r.Runs.Of("1"))
			})
		})
	}
}

// TestUnknown_NobodyIsAsked: neither rules, middleware, HandleResult nor the user's actor; and
// behaviours of every kind put it off.
func TestUnknown_NobodyIsAsked(t *testing.T) {
	fail := func() { t.Error("asked") }
	for name, b := range map[string]gentask.Behavior{
		"Work": gentask.Work(numbersWorker{
			func(context.Context, string) error { fail(); return nil },
			func(string, task.Outcome[struct{}]) gentask.Decision { fail(); return gentask.Ack() },
		}),
		"Batch": gentask.Batch(func(context.Context, []gentask.Job[string]) (gentask.Results, error) { fail(); return nil, nil },
			gentask.BatchConfig{}),
		"Actor": gentask.Actor(func(gentask.ActorJob[string]) *actor.Props { fail(); return nil }),
	} {
		t.Run(name, func(t *testing.T) {
			rig.Memory().Run(t, func(r *rig.Rig) {
				r.Send(queue.Message{ID: "1", Body: []byte("new")})
				cfg := gentask.Config{Decode: decodeNothingNew, Unknown: gentask.Unknown{For: time.Minute}}
				cfg.Retry.Rules = []gentask.Rule{{When: func(task.Status, error) bool { fail(); return true }}}
				cfg.Policy.Middleware = []gentask.Middleware{func(next gentask.RunFunc) gentask.RunFunc {
					return func(ctx context.Context, job gentask.Job[any]) (any, error) { fail(); return next(ctx, job) }
				}}
				r.Start(b, cfg)
				r.Limit = time.Hour
				r.Finish()
				require.Equal(r, 1, r.Memory.Stats().DeadLettered)
				require.Greater(r, r.Memory.Stats().Released, 2)
			})
		})
	}
}

// TestUnknown_IsAFact: a run that returns an error about another message, which wraps
// queue.ErrUnknown, has failed like any other.
func TestUnknown_IsAFact(t *testing.T) {
	rig.Memory().Run(t, func(r *rig.Rig) {
		r.Publish(1)
		c := r.Start(r.Handle(func(context.Context, string) error { return &gentask.DecodeError{Err: queue.ErrUnknown} }),
			gentask.Config{Retry: gentask.Retry{
				MaxAttempts: 3, Rules: []gentask.Rule{{When: gentask.WhenErrorIs(queue.ErrUnknown)}},
			}})
		r.Finish()
		require.Zero(r, c.Health().PutOff)
		require.Equal(r, 3, r.Runs.Of("1"))
	})
}

// TestUnknown_TakesNoSlot, no token of a rate, and no attempt that is left: what others wait for is
// not spent on what isn't run.
func TestUnknown_TakesNoSlot(t *testing.T) {
	rig.MemoryWith(memory.Config{Faults: memory.Faults{LoseSession: memory.Times(3)}}).Run(t, func(r *rig.Rig) {
		for i := range 50 {
			r.Send(queue.Message{ID: "unknown " + strconv.Itoa(i), Headers: map[string]string{"kind": "new"}})
		}
		r.Publish(5)
		cfg := gentask.Config{Concurrency: 1, Retry: gentask.Retry{MaxAttempts: 1}}
		cfg.Policy.Rate = gentask.Rate{PerSecond: 0.001, Burst: 5}
		c := r.Start(gentask.Mux("kind", map[string]gentask.Behavior{"": r.Handle(func(context.Context, string) error { return nil })}), cfg)
		r.Eventually("the others are done", func() bool { return r.Memory.Stats().Acked == 5 })
		for _, ev := range r.Events(gentask.EventDone) {
			if strings.HasPrefix(ev.ID, "unknown") {
				require.NotEqual(r, queue.DeadLetter, ev.Disposition)
			}
		}
		require.GreaterOrEqual(r, c.Health().PutOff, 50)
	})
}

// TestUnknown_IsLogged: the first, and then one a minute, with how many there were besides.
func TestUnknown_IsLogged(t *testing.T) {
	rig.Memory().Run(t, func(r *rig.Rig) {
		for i := range 100 {
			r.Send(queue.Message{ID: strconv.Itoa(i), Headers: map[string]string{"kind": "new"}})
		}
		var log bytes.Buffer
		cfg := r.Config(gentask.Config{})
		cfg.Logger = slog.New(slog.NewTextHandler(&log, nil))
		c, err := gentask.New(r.Source, gentask.Mux("kind", map[string]gentask.Behavior{"": noop()}), cfg)
		require.NoError(r, err)
		require.NoError(r, c.Start())
		time.Sleep(10*time.Minute + time.Second)
		r.Stop(c)
		lines := strings.Count(log.String(), "message put off, which another node may be able to do")
		require.GreaterOrEqual(r, lines, 9)
		require.LessOrEqual(r, lines, 11)
		require.Contains(r, log.String(), `kind \"new\" in header \"kind\" is unknown`)
		require.Greater(r, c.Health().PutOff, 500)
		require.ErrorIs(r, c.Health().Unknown, queue.ErrUnknown)
	})
}

// TestUnknown_GivenBackByHand: a dead letter that is given back has its whole time again.
func TestUnknown_GivenBackByHand(t *testing.T) {
	rig.Memory().Run(t, func(r *rig.Rig) {
		r.Send(queue.Message{ID: "1", Headers: map[string]string{"kind": "new"}})
		r.Start(gentask.Mux("kind", map[string]gentask.Behavior{"": noop()}), gentask.Config{})
		r.Limit = time.Hour
		r.Finish()
		n, err := r.Memory.Letters().Redrive(r.Context(), queue.LetterFilter{}, queue.RedriveOptions{})
		require.NoError(r, err)
		require.Equal(r, 1, n)
		begin := time.Now()
		r.Finish()
		require.GreaterOrEqual(r, time.Since(begin), 15*time.Minute)
	})
}

// TestUnknown_Config is checked.
func TestUnknown_Config(t *testing.T) {
	_, err := gentask.New(memory.New(memory.Config{}), noop(), gentask.Config{
		Versions: []string{"1", ""}, Unknown: gentask.Unknown{For: -2, Wait: gentask.Backoff{Base: time.Hour}},
	})
	for _, want := range []string{
		`Versions is ["1" ""]; want names that are not empty`, "Unknown.For is -2ns; want 0 for 15m, -1 for a dead letter at once",
		"Unknown.Wait.Base is 1h0m0s; want 1m0s at most",
	} {
		require.ErrorContains(t, err, want)
	}
}
