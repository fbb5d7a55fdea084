package scenario_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/internal/rig"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/memory"
)

// refusedWay is one way in which a broker comes to take no copy of a message.
type refusedWay struct {
	name   string
	faults memory.Faults
	reason error // of EventReturned
}

var (
	errFull   = errors.New("maximum messages exceeded")
	errRights = errors.New("permissions violation")
)

func refusedWays() []refusedWay {
	return []refusedWay{
		{"full", memory.Faults{RefuseCopy: memory.Times(-1), CopyError: errFull}, errFull},
		{"size limit lowered", memory.Faults{MaxBody: 8}, queue.ErrTooLarge},
		{"delay too long", memory.Faults{MaxDelay: time.Minute}, queue.ErrUnsupported},
		{"right missing", memory.Faults{RefuseCopy: memory.Times(-1), CopyError: errRights}, errRights},
		{"blocked", memory.Faults{BlockCopy: true}, gentask.ErrSettleTimeout},
	}
}

// refusedDisposition is what the jobs in question come to.
type refusedDisposition struct {
	name  string
	err   error
	delay time.Duration // of a requeue
	later bool          // it is put off for putOff
}

// putOff is longer than the trouble of slotsAreFree, the longest floor of a return, and the default
// of Order.Hold.
const putOff = 25 * time.Minute

func refusedDispositions() []refusedDisposition {
	return []refusedDisposition{
		{name: "requeue", err: errDown},
		{name: "requeue later", err: errDown, delay: putOff, later: true},
		{name: "snooze", err: gentask.Snooze(putOff), later: true},
		{name: "dead letter", err: gentask.DeadLetter(errDown)},
	}
}

func refusedPolicies() map[string]gentask.Policy {
	return map[string]gentask.Policy{
		"plain":    {},
		"suspects": {IsolateSuspects: true},
		"breaker":  {Breaker: gentask.Breaker{FailureRate: 0.9, Wait: gentask.Backoff{Base: time.Second, Max: 2 * time.Second}}},
		"strict":   {Order: gentask.Order{Key: gentask.KeyHeader("key"), Strict: true}},
	}
}

// large is a body that is beyond the lowered limit.
const large = `"a large body"`

// sendRefused publishes n messages whose jobs the scenario has refused, and then good ones.
func sendRefused(r *rig.Rig, n, good int) {
	r.Helper()
	for i := range n {
		id := "bad-" + strconv.Itoa(i)
		r.Send(queue.Message{ID: id, Body: []byte(large), Headers: map[string]string{"key": id}})
	}
	for i := range good {
		r.Send(queue.Message{ID: "good-" + strconv.Itoa(i), Body: []byte(`""`), Headers: map[string]string{"key": strconv.Itoa(i % 7)}})
	}
}

// TestScenario40_SlotsAreFree: more settlements than there are slots can't be carried out, for any
// of five reasons, under any disposition and with any policy. Others go on within a bounded time,
// each return is told, and when the trouble is over nothing is lost.
func TestScenario40_SlotsAreFree(t *testing.T) {
	for _, way := range refusedWays() {
		for _, disposition := range refusedDispositions() {
			if way.faults.MaxDelay > 0 && !disposition.later {
				continue
			}
			for name, policy := range refusedPolicies() {
				if !rig.Some(way.name+disposition.name+name, 4) {
					continue
				}
				t.Run(way.name+"/"+disposition.name+"/"+name, func(t *testing.T) {
					rig.Memory().Run(t, func(r *rig.Rig) { slotsAreFree(r, way, disposition, policy, 8) })
				})
				t.Run(way.name+"/"+disposition.name+"/"+name+"/crude", func(t *testing.T) {
					way := way
					way.faults.CrudeReturn = true
					rig.Memory().Run(t, func(r *rig.Rig) { slotsAreFree(r, way, disposition, policy, 3) })
				})
			}
		}
	}
}

func slotsAreFree(r *rig.Rig, way refusedWay, disposition refusedDisposition, policy gentask.Policy, bad int) {
	const good = 60
	r.Allow.Logged = true
	r.Limit = 24 * time.Hour
	r.Memory.SetFaults(way.faults)
	sendRefused(r, bad, good)
	var trouble atomic.Bool
	var done atomic.Int64
	trouble.Store(true)
	began := time.Now()
	r.Start(r.Handle(func(ctx context.Context, id string) error {
		switch {
		case id[0] == 'g':
			done.Add(1)
		case trouble.Load():
			return disposition.err
		}
		return rig.Pause(ctx, 10*time.Millisecond)
	}), gentask.Config{Concurrency: 2, Prefetch: 4, Policy: policy, Retry: gentask.Retry{
		MaxAttempts: 5, Rules: []gentask.Rule{{When: gentask.WhenFailed, Backoff: gentask.ConstantBackoff(disposition.delay)}},
	}})

	r.Eventually("others are done", func() bool { return done.Load() == good })
	r.Log("others were done after", time.Since(began))
	require.Less(r, time.Since(began), 2*time.Minute)
	strict := policy.Order.Strict && errors.Is(disposition.err, errDown) && disposition.delay == 0
	if !policy.Order.Strict || strict {
		r.Eventually("all are returned", func() bool { return len(returnedIDs(r)) == bad })
		require.Less(r, time.Since(began), 3*time.Minute)
		for _, ev := range r.Events(gentask.EventReturned) {
			require.ErrorIs(r, ev.Reason, way.reason)
			require.NotZero(r, ev.Disposition)
			require.GreaterOrEqual(r, ev.After, time.Duration(0))
		}
	}
	require.Less(r, len(r.Events(gentask.EventReturned)), bad*100, "no hot loop")

	r.Memory.SetFaults(memory.Faults{})
	trouble.Store(false)
	r.Finish()
	st := r.Memory.Stats()
	require.Equal(r, bad+good, st.Acked+st.DeadLettered, "nothing is lost")
	require.Equal(r, 1, st.Opened, "no session was given up")
}

func returnedIDs(r *rig.Rig) map[string]bool {
	ids := map[string]bool{}
	for _, ev := range r.Events(gentask.EventReturned) {
		ids[ev.ID] = true
	}
	return ids
}

// TestScenario40_DecidedStaysDecided: a dead letter and a job that is done, returned because they
// were not taken, are settled when they come back, and not run again. A snooze is not run before
// its time, and costs no attempt, although the broker counts its returns.
func TestScenario40_DecidedStaysDecided(t *testing.T) {
	for _, crude := range []bool{false, true} {
		t.Run(fmt.Sprint("crude ", crude), func(t *testing.T) {
			rig.Memory().Run(t, func(r *rig.Rig) {
				r.Allow.Logged = true
				r.Limit = 24 * time.Hour
				faults := memory.Faults{RefuseCopy: memory.Times(-1), CopyError: errFull, CrudeReturn: crude}
				r.Memory.SetFaults(faults)
				r.Send(queue.Message{ID: "dead", Body: []byte(`""`)}, queue.Message{ID: "snooze", Body: []byte(`""`)})
				began := time.Now()
				var snoozed []time.Duration
				var attempts []int
				r.Start(r.Handle(func(ctx context.Context, id string) error {
					job, _ := gentask.FromContext(ctx)
					if id == "dead" {
						return gentask.DeadLetter(errDown)
					}
					snoozed, attempts = append(snoozed, time.Since(began)), append(attempts, job.Attempt())
					if len(snoozed) == 1 {
						return gentask.Snooze(time.Hour)
					}
					return nil
				}), gentask.Config{Concurrency: 2, Prefetch: 4, Retry: gentask.Retry{MaxAttempts: 3}})
				time.Sleep(30 * time.Minute)
				r.Rest()
				require.Equal(r, 2, r.Runs.Total(), "neither is run again")
				require.Greater(r, len(r.Events(gentask.EventReturned)), 5)
				require.Less(r, len(r.Events(gentask.EventReturned)), 40, "the waits grow")
				r.Memory.SetFaults(memory.Faults{CrudeReturn: crude})
				r.Finish()
				require.Equal(r, 3, r.Runs.Total())
				require.GreaterOrEqual(r, snoozed[1], time.Hour)
				require.Less(r, snoozed[1], time.Hour+11*time.Minute)
				require.Equal(r, []int{1, 1}, attempts)
				letters := r.Memory.DeadLetters()
				require.Len(r, letters, 1)
				require.Equal(r, "1", letters[0].Headers[queue.HeaderAttempts])
				require.Contains(r, letters[0].Headers[queue.HeaderReason], errDown.Error())
			})
		})
	}
}

// TestScenario40_OneStuckStopsNoGate: one settlement is never taken, and can't be returned either.
// A suspect has its turn, and an open breaker probes.
func TestScenario40_OneStuckStopsNoGate(t *testing.T) {
	for name, policy := range map[string]gentask.Policy{
		"suspects": {IsolateSuspects: true},
		"breaker":  {Breaker: gentask.Breaker{FailureRate: 0.3, MinRuns: 3, Wait: gentask.Backoff{Base: time.Second, Max: 2 * time.Second}}},
	} {
		t.Run(name, func(t *testing.T) {
			rig.Memory().Run(t, func(r *rig.Rig) {
				r.Allow.Logged = true
				r.Publish(11)
				s, err := r.Memory.Open(r.Context(), queue.Options{Prefetch: 11})
				require.NoError(r, err)
				for range 11 {
					_, err := s.Receive(r.Context())
					require.NoError(r, err)
				}
				r.Memory.LoseSessions() // all of them are suspects now
				r.Memory.SetFaults(memory.Faults{RefuseCopy: memory.Times(-1), CopyError: errFull, FailReturn: memory.Times(-1)})
				began := time.Now()
				var done atomic.Int64
				r.Start(r.Handle(func(_ context.Context, id string) error {
					if id == "1" {
						return gentask.DeadLetter(errDown)
					}
					if done.Add(1) < 4 && name == "breaker" {
						return errDown // opens it; these can't be requeued either
					}
					return nil
				}), gentask.Config{Concurrency: 2, Prefetch: 10, Policy: policy})
				r.Eventually("others are done", func() bool { return done.Load() >= 10 })
				require.Less(r, time.Since(began), time.Minute)
				r.Memory.SetFaults(memory.Faults{})
				r.Finish()
				require.Equal(r, 1, r.Memory.Stats().DeadLettered)
			})
		})
	}
}
