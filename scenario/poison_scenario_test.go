package scenario_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/internal/rig"
	"github.com/gentask/gentask/queue"
)

const poison, goodOnes, poisonAttempts = "poison", 1000, 5

var errPoison = errors.New("poison")

// poisoned runs a thousand good jobs, each of which takes some time, with a poison job in the midst
// of them that panics on every run. It returns when the poison was started and when it ended, by
// attempt.
func poisoned(r *rig.Rig, work time.Duration, cfg gentask.Config) (started, ended []time.Time) {
	r.Helper()
	cfg.Concurrency, cfg.Retry.MaxAttempts = 10, poisonAttempts
	r.Publish(goodOnes / 2)
	r.Send(queue.Message{ID: poison})
	r.Publish(goodOnes / 2)
	r.Start(r.Handle(func(ctx context.Context, id string) error {
		if id != poison {
			return rig.Pause(ctx, work)
		}
		started = append(started, time.Now())
		defer func() { ended = append(ended, time.Now()) }()
		panic(errPoison)
	}), cfg)
	r.Finish()
	require.Equal(r, poisonAttempts, r.Runs.Of(poison))
	require.Equal(r, goodOnes+poisonAttempts, r.Runs.Total(), "the good ones ran once")
	require.Len(r, r.Events(gentask.EventReceived), goodOnes+poisonAttempts, "and nothing was delivered but to be run: no hot loop")
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
	require.Contains(r, headers[queue.HeaderStack], "scenario_test.poisoned")
}

// plans returns how the poison was settled, by attempt.
func plans(r *rig.Rig) (planned []time.Duration) {
	r.Helper()
	for _, ev := range r.Events(gentask.EventDone) {
		if ev.ID == poison {
			require.ErrorIs(r, ev.Reason, errPoison)
			planned = append(planned, ev.After)
		} else {
			require.Equal(r, queue.Ack, ev.Disposition)
		}
	}
	require.Len(r, planned, poisonAttempts)
	return planned
}

// lastGood returns when the last of the good ones had ended.
func lastGood(r *rig.Rig) (last time.Time) {
	r.Helper()
	for _, ev := range r.Events(gentask.EventDone) {
		if ev.ID != poison {
			last = ev.Time
		}
	}
	return last
}

// TestScenario26_PoisonAmongGoodOnes with the default back-off, exponential from 1 s with jitter
// from half to full: the poison runs exactly five times, never before its time, and then it is
// dead-lettered. The good ones take as long as they would without it, a slot for the time of its
// runs aside.
func TestScenario26_PoisonAmongGoodOnes(t *testing.T) {
	const work = 10 * time.Millisecond
	rig.Memory().Run(t, func(r *rig.Rig) {
		r.Limit = time.Hour
		begin := time.Now()
		started, ended := poisoned(r, work, gentask.Config{})
		for i, planned := range plans(r)[:poisonAttempts-1] {
			require.LessOrEqual(r, planned, time.Second<<i)
			require.GreaterOrEqual(r, planned, time.Second<<i/2)
			require.GreaterOrEqual(r, started[i+1].Sub(ended[i]), planned)
		}
		require.Equal(r, goodOnes/10*work, lastGood(r).Sub(begin), "the good ones are not delayed")
		require.Equal(r, goodOnes+poisonAttempts, r.Memory.Stats().Delivered)
		require.Equal(r, 1, r.Memory.Stats().DeadLettered)
	})
}

// doubling is an exponential back-off without any jitter.
func doubling(attempt int, _ error) time.Duration { return 300 * time.Millisecond << (attempt - 1) }
