package promises

import (
	"context"
	"errors"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/internal/rig"
	"github.com/gentask/gentask/queue"
)

const (
	// GoodOnes is how many good jobs there are beside the poison.
	GoodOnes = 1000

	// PoisonAttempts is how often the poison runs.
	PoisonAttempts = 5

	poison = "poison"
)

var errPoison = errors.New("poison")

// Poisoned runs a thousand good jobs, each of which takes some time, with a poison job in the midst
// of them that panics on every run. It returns when the poison was started and when it ended, by
// attempt.
func Poisoned(r *rig.Rig, work time.Duration, cfg gentask.Config) (started, ended []time.Time) {
	r.Helper()
	cfg.Concurrency, cfg.Retry.MaxAttempts = 10, PoisonAttempts
	r.Publish(GoodOnes / 2)
	r.Send(queue.Message{ID: poison})
	r.Publish(GoodOnes / 2)
	r.Start(r.Handle(func(ctx context.Context, id string) error {
		if id != poison {
			return rig.Pause(ctx, work)
		}
		started = append(started, time.Now())
		defer func() { ended = append(ended, time.Now()) }()
		panic(errPoison)
	}), cfg)
	r.Finish()
	require.Equal(r, PoisonAttempts, r.Runs.Of(poison))
	require.Equal(r, GoodOnes+PoisonAttempts, r.Runs.Total(), "the good ones ran once")
	require.Len(r, r.Events(gentask.EventReceived), GoodOnes+PoisonAttempts, "and nothing was delivered but to be run: no hot loop")
	requirePoisonLetter(r)
	return started, ended
}

// requirePoisonLetter: there is one dead letter, and it reports how often it was tried and why it
// failed, with the stack.
func requirePoisonLetter(r *rig.Rig) {
	r.Helper()
	letters, err := r.DeadLetters(r.Context())
	require.NoError(r, err)
	require.Len(r, letters, 1)
	require.Equal(r, poison, letters[0].ID)
	headers := letters[0].Headers
	require.Equal(r, "5", headers[queue.HeaderAttempts])
	require.Equal(r, "gentask: attempt 5 of 5 failed: panic: poison", headers[queue.HeaderReason])
	require.Contains(r, headers[queue.HeaderStack], "promises.Poisoned")
}

// Plans returns how the poison was settled, by attempt.
func Plans(r *rig.Rig) (planned []time.Duration) {
	r.Helper()
	for _, ev := range r.Events(gentask.EventDone) {
		if ev.ID == poison {
			require.ErrorIs(r, ev.Reason, errPoison)
			planned = append(planned, ev.After)
		} else {
			require.Equal(r, queue.Ack, ev.Disposition)
		}
	}
	require.Len(r, planned, PoisonAttempts)
	return planned
}

// LastGood returns when the last of the good ones had ended.
func LastGood(r *rig.Rig) (last time.Time) {
	r.Helper()
	for _, ev := range r.Events(gentask.EventDone) {
		if ev.ID != poison {
			last = ev.Time
		}
	}
	return last
}

// doubling is an exponential back-off without any jitter.
func doubling(attempt int, _ error) time.Duration { return 300 * time.Millisecond << (attempt - 1) }

// PoisonAmongGoodOnes is scenario 26 with a back-off that doubles from 300 ms: while the poison
// waits it holds up no other job.
func PoisonAmongGoodOnes(r *rig.Rig) {
	cfg := gentask.Config{Retry: gentask.Retry{Rules: []gentask.Rule{{When: gentask.WhenFailed, Backoff: doubling}}}}
	started, ended := Poisoned(r, time.Millisecond, cfg)
	for i, planned := range Plans(r)[:PoisonAttempts-1] {
		require.Equal(r, doubling(i+1, nil), planned)
		require.GreaterOrEqual(r, started[i+1].Sub(ended[i]), planned)
	}
	require.True(r, LastGood(r).Before(started[PoisonAttempts-1]), "the good ones were done before its last run")
}
