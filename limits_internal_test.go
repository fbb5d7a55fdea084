package gentask

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/internal/admission"
	"github.com/gentask/gentask/internal/breaker"
	"github.com/gentask/gentask/queue"
)

// limitsOf returns the limits of a consumer with a policy.
func limitsOf(t *testing.T, p Policy) *limits {
	t.Helper()
	cfg, err := Config{Policy: p, Concurrency: 8}.settings()
	require.NoError(t, err)
	return newLimits(cfg, func() {})
}

// TestLimits_Gates: a policy that is off has no gate. Gates of keys come first, and the pool last.
func TestLimits_Gates(t *testing.T) {
	require.Empty(t, limitsOf(t, Policy{}).gates())
	on := []func(*Policy){
		func(p *Policy) { p.KeyBreaker = KeyBreaker{Key: KeyHeader("k"), Breaker: Breaker{FailureRate: 0.5}} },
		func(p *Policy) { p.KeyRate = KeyRate{Key: KeyHeader("k"), Rate: Rate{PerSecond: 1}} },
		func(p *Policy) { p.IsolateSuspects = true },
		func(p *Policy) { p.Breaker = Breaker{FailureRate: 0.5} },
		func(p *Policy) { p.Adaptive = Adaptive{Min: 1} },
		func(p *Policy) { p.Rate = Rate{PerSecond: 1} },
		func(p *Policy) { p.Pool = PoolShare{Slots: NewPool(1)} },
	}
	var all Policy
	var alone []admission.Gate
	for _, f := range on {
		var one Policy
		f(&one)
		f(&all)
		gates := limitsOf(t, one).gates()
		require.Len(t, gates, 1)
		alone = append(alone, gates[0])
	}
	gates := limitsOf(t, all).gates()
	require.Len(t, gates, len(on))
	for i, gate := range gates {
		require.IsType(t, alone[i], gate)
	}
}

// TestLimits_Reset: a new ledger begins without the items of the last one. A suspect that was at
// work, or a probe of a breaker, does not hold up the others.
func TestLimits_Reset(t *testing.T) {
	trips := Breaker{FailureRate: 1, MinRuns: 1}
	for name, p := range map[string]Policy{
		"suspects":    {IsolateSuspects: true},
		"adaptive":    {Adaptive: Adaptive{Min: 1}},
		"breaker":     {Breaker: trips},
		"key breaker": {KeyBreaker: KeyBreaker{Key: KeyHeader("k"), Breaker: trips}},
	} {
		cfg, err := Config{Policy: p, Concurrency: 8}.settings()
		require.NoError(t, err)
		l, now := newLimits(cfg, func() {}), time.Now()
		l.setConcurrency(1)
		gate := l.gates()[0]
		item := func(id string, attempt int) *admission.Item {
			m := queue.Message{ID: id, Headers: map[string]string{"k": "1"}}
			return &newEntry(&queue.Delivery{Message: m, Attempt: attempt, Redelivered: attempt > 1}, nil, nil, cfg).item
		}
		fails, first, next := item("a", 1), item("b", 2), item("c", 1)
		gate.Pass(fails, now)
		gate.Started(fails, now)
		gate.Ended(fails, admission.Result{Signal: breaker.Bad}, now)
		gate.Gone(fails, admission.Requeued, now)
		now = now.Add(time.Hour)
		gate.Pass(first, now)
		gate.Started(first, now)
		require.NotEqual(t, admission.Admit, gate.Pass(next, now).Kind, name)
		l.reset()
		require.Equal(t, admission.Admit, gate.Pass(next, now).Kind, name)
	}
	l := limitsOf(t, Policy{})
	l.refusals.about(madeUp(t, queue.Delivery{}), time.Now())
	l.reset()
	require.Zero(t, l.refusals.held())
}

// TestLimits_SetConcurrency is a limit for Adaptive, too.
func TestLimits_SetConcurrency(t *testing.T) {
	l := limitsOf(t, Policy{Adaptive: Adaptive{Min: 8}})
	require.Equal(t, 8, l.width())
	l.setConcurrency(3)
	require.Equal(t, 3, l.width())
	l = limitsOf(t, Policy{})
	l.setConcurrency(3)
	require.Equal(t, 3, l.concurrency)
}

// TestLimits_SetRate: the first rate adds a gate, which stays. No limit adds none.
func TestLimits_SetRate(t *testing.T) {
	l, now := limitsOf(t, Policy{}), time.Now()
	for _, c := range []struct {
		rate  Rate
		gates int
	}{{Rate{}, 0}, {Rate{PerSecond: 1}, 1}, {Rate{}, 1}} {
		l.setRate(c.rate, false, now)
		require.Len(t, l.gates(), c.gates, "%v", c.rate)
	}
}

// TestLimits_Suspect: what a delivery shows of its past as a suspect. Its header may have been
// written by any program.
func TestLimits_Suspect(t *testing.T) {
	for name, c := range map[string]struct {
		suspect  string
		marked   bool
		isolated bool
		want     admission.Item
	}{
		"a plain message":           {want: admission.Item{Used: 3}},
		"marked":                    {suspect: "2", marked: true, want: admission.Item{Used: 2, Marked: true}},
		"marked, and nothing used":  {suspect: "0", marked: true, want: admission.Item{Used: 0, Marked: true}},
		"marked with a strange one": {suspect: "-1", marked: true, want: admission.Item{Used: 3, Marked: true}},
		"marked with no number":     {suspect: "many", marked: true, want: admission.Item{Used: 3, Marked: true}},
		"marked with a large one":   {suspect: "99999999999", marked: true, want: admission.Item{Used: 3, Marked: true}},
		"from the place":            {isolated: true, want: admission.Item{Used: 3, Marked: true, Isolated: true}},
	} {
		rested(t, []string{"set Policy.IsolateSuspects true", "start"}, func(r atRest) {
			headers := map[string]string{queue.HeaderAttempts: "3"}
			if c.marked {
				headers[queue.HeaderSuspect] = c.suspect
			}
			e := r.delivery(r.ledger.session.link, queue.Delivery{
				Message: queue.Message{Headers: headers}, Attempt: 4, Isolated: c.isolated,
			})
			require.False(r, r.ledger.instance.limits.suspect(e), "%s: the queue has no place", name)
			got := admission.Item{Used: e.item.Used, Marked: e.item.Marked, Isolated: e.item.Isolated}
			require.Equal(r, c.want, got, name)
			require.Equal(r, 4, e.item.Attempt, name)
			require.False(r, (&limits{}).suspect(e), "off")
		})
	}
}

// TestLimits_SessionClosed: what was asked in a session that is over is asked again.
func TestLimits_SessionClosed(t *testing.T) {
	l, now := limitsOf(t, Policy{IsolateSuspects: true}), time.Now()
	l.suspects.Place.Ask()
	require.False(t, l.suspects.Place.Count(now))
	l.sessionClosed()
	require.True(t, l.suspects.Place.Count(now))
	off := limitsOf(t, Policy{})
	off.sessionClosed()
	require.Nil(t, off.suspectDue())
}

// TestLimits_KeyBreakers: Health counts the breakers of keys that are not closed.
func TestLimits_KeyBreakers(t *testing.T) {
	rested(t, []string{"run a: error x", "run b: error x", "run c: error x"}, func(r atRest) {
		r.cfg.Policy.KeyBreaker = KeyBreaker{Key: KeyHeader("k"), Breaker: Breaker{FailureRate: 1, MinRuns: 1}}
		r.do("publish a k=1", "publish b k=2", "publish c", "wait 1s")
		require.Equal(r, 2, r.consumer.Health().KeyBreakers)
		require.Len(r, r.consumer.Health().Breakers, 2)
		require.Zero(r, limitsOf(t, Policy{}).keyBreakers())
	})
}
