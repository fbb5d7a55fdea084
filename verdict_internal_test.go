package gentask

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/task"
)

// TestBeforeAdmission_TooEarly: a delivery that came before its time goes back for the rest. One
// whose time has come is run.
func TestBeforeAdmission_TooEarly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for wait, want := range map[time.Duration]Decision{
			time.Second: Snooze(time.Second), 1: Snooze(1), 0: {}, -time.Second: {},
		} {
			e := madeUp(t, queue.Delivery{Message: queue.Message{NotBefore: time.Now().Add(wait)}})
			d, _ := e.beforeAdmission(Behavior{})
			require.Equal(t, want, d, wait)
		}
	})
}

// TestAside_GivenUp: a message that was given up, and is given back by hand, is put off again.
func TestAside_GivenUp(t *testing.T) {
	rested(t, []string{"set Unknown.For 1m", "start"}, func(r atRest) {
		e := r.delivery(r.ledger.session.link, queue.Delivery{Attempt: 1})
		require.Equal(r, undecided, e.aside().kind, "this node can do it")
		e.setForeign(errStale)
		require.Equal(r, decideRelease, e.aside().kind)
		time.Sleep(time.Minute)
		require.Equal(r, decideDeadLetter, e.aside().kind)
		require.Equal(r, decideRelease, e.aside().kind)
	})
}

// TestLoops: which decisions could let a delivery be run and given back for ever.
func TestLoops(t *testing.T) {
	for name, c := range map[string]struct {
		d       Decision
		attempt int
		want    bool
	}{
		"release":                     {Release(), 1, true},
		"snooze for long":             {Snooze(comebackBase), 1, false},
		"snooze for a moment":         {Snooze(comebackBase - 1), 1, true},
		"requeue":                     {Requeue(0), manyAttempts - 1, false},
		"requeue for the 25th time":   {Requeue(0), manyAttempts, true},
		"requeue after some time":     {Requeue(1), manyAttempts, false},
		"requeue for the 1000th time": {Requeue(0), 1000, true},
	} {
		e := madeUp(t, queue.Delivery{Attempt: c.attempt})
		require.False(t, e.loops(c.d), "%s: it was not started", name)
		e.start(time.Now())
		require.Equal(t, c.want, e.loops(c.d), name)
	}
}

// TestOutlasts: the next attempt may begin until the hold is over.
func TestOutlasts(t *testing.T) {
	rested(t, []string{"order account", "set Policy.Order.Hold 1m", "start"}, func(r atRest) {
		e := r.delivery(r.ledger.session.link, queue.Delivery{Attempt: 1})
		time.Sleep(10 * time.Second)
		require.False(r, e.outlasts(50*time.Second))
		require.True(r, e.outlasts(50*time.Second+1))
	})
}

// TestRule_FunctionsFail: a rule whose When fails does not match, and one whose Backoff fails waits
// as if it had none. Both are logged.
func TestRule_FunctionsFail(t *testing.T) {
	fails := func() { panic("in a rule") }
	for name, c := range map[string]struct {
		rule     Rule
		function string
	}{
		"when": {Rule{When: func(task.Status, error) bool { fails(); return true }, Do: Ack()}, "Rule.When"},
		"backoff": {
			Rule{When: WhenFailed, Backoff: func(int, error) time.Duration { fails(); return time.Hour }}, "Rule.Backoff",
		},
	} {
		rested(t, []string{"run a: error x"}, func(r atRest) {
			text := r.logged()
			r.cfg.Retry.Rules = []Rule{c.rule}
			r.do("publish a")
			require.Equal(r, 1, r.seen("event done a: requeue after 750ms"), name)
			require.Contains(r, text.String(), "function of a retry rule failed")
			require.Contains(r, text.String(), c.function)
		})
	}
	rested(t, []string{"run a: error x"}, func(r atRest) {
		text := r.logged()
		r.cfg.Retry.Rules = []Rule{{When: WhenFailed, Backoff: ConstantBackoff(time.Minute)}}
		r.do("publish a")
		require.Equal(r, 1, r.seen("event done a: requeue after 1m"))
		require.NotContains(r, text.String(), "function of a retry rule failed")
	})
}
