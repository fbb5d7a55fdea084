package breaker_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/gentask/gentask/internal/breaker"
)

// doubling waits 1 s, 2 s, 4 s.
func doubling(n int) time.Duration { return time.Second << (n - 1) }

func settings() breaker.Settings {
	return breaker.Settings{FailureRate: 0.5, Window: 10 * time.Second, MinRuns: 4, Wait: doubling}
}

var start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func run(m *breaker.Machine, now time.Time, r breaker.Result) { m.End(m.Begin(), now, r) }

func TestOpensAtTheRate(t *testing.T) {
	for name, c := range map[string]struct {
		results []breaker.Result
		want    breaker.State
	}{
		"TooFew": {[]breaker.Result{breaker.Bad, breaker.Bad, breaker.Bad}, breaker.Closed},
		"Half":   {[]breaker.Result{breaker.Good, breaker.Bad, breaker.Good, breaker.Bad}, breaker.Open},
		"LessThanHalf": {
			[]breaker.Result{breaker.Bad, breaker.Good, breaker.Good, breaker.Good, breaker.Bad},
			breaker.Closed,
		},
		"NothingCounts": {
			[]breaker.Result{breaker.Bad, breaker.Bad, breaker.Bad, breaker.Nothing, breaker.Nothing},
			breaker.Closed,
		},
	} {
		t.Run(name, func(t *testing.T) {
			m := breaker.New(settings())
			for _, r := range c.results {
				run(m, start, r)
			}
			require.Equal(t, c.want, m.State())
		})
	}
}

func TestWindowSlides(t *testing.T) {
	m := breaker.New(settings())
	for i := range 3 {
		run(m, start.Add(time.Duration(i)*time.Second), breaker.Bad)
	}
	run(m, start.Add(11*time.Second), breaker.Bad)
	require.Equal(t, breaker.Closed, m.State(), "the first two are too old")
	require.False(t, m.Idle(start.Add(20*time.Second)))
	require.True(t, m.Idle(start.Add(22*time.Second)))
	run(m, start.Add(time.Hour), breaker.Bad)
	require.Equal(t, breaker.Closed, m.State())
}

func TestProbes(t *testing.T) {
	m, now := breaker.New(settings()), start
	early := m.Begin()
	for range 4 {
		run(m, now, breaker.Bad)
	}
	for _, wait := range []time.Duration{time.Second, 2 * time.Second, 4 * time.Second} {
		require.Equal(t, now.Add(wait), m.NextProbe())
		require.False(t, m.Admits(now.Add(wait-1)))
		now = now.Add(wait)
		require.True(t, m.Admits(now))
		require.Equal(t, breaker.Probing, m.State())
		probe := m.Begin()
		require.False(t, m.Admits(now), "one at a time")
		m.End(early, now, breaker.Good)
		require.Equal(t, breaker.Probing, m.State(), "a run of before is no probe")
		m.End(probe, now, breaker.Nothing)
		require.True(t, m.Admits(now), "the next one is the probe")
		lost := m.Begin()
		m.Forget()
		require.True(t, m.Admits(now), "so it is if the probe was lost")
		m.End(lost, now, breaker.Good)
		require.Equal(t, breaker.Probing, m.State())
		run(m, now, breaker.Bad)
		require.Equal(t, breaker.Open, m.State())
	}
	now = m.NextProbe()
	require.True(t, m.Admits(now))
	run(m, now, breaker.Good)
	require.Equal(t, breaker.Closed, m.State())
	require.Zero(t, m.NextProbe())
	for range 4 {
		run(m, now, breaker.Bad)
	}
	require.Equal(t, now.Add(time.Second), m.NextProbe(), "the first wait again")
}

// TestClose: it closes an open and a probing machine, and the waits begin again.
func TestClose(t *testing.T) {
	m, now := breaker.New(settings()), start
	for range 3 {
		for range 4 {
			run(m, now, breaker.Bad)
		}
		require.Equal(t, now.Add(time.Second), m.NextProbe(), "the first wait")
		now = m.NextProbe()
		require.True(t, m.Admits(now))
		probe := m.Begin()
		m.End(probe, now, breaker.Bad)
		require.Equal(t, now.Add(2*time.Second), m.NextProbe(), "the second")
		now = m.NextProbe()
		require.True(t, m.Admits(now))
		probe = m.Begin()
		m.Close(now)
		m.End(probe, now, breaker.Bad)
		require.Equal(t, breaker.Closed, m.State(), "a run of before does not count")
		require.True(t, m.Admits(now))
		require.Equal(t, now, m.Since())
	}
}

// TestModel: the machine does what a naive one does that keeps every run.
func TestModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m, now := breaker.New(settings()), start
		type ended struct {
			at  time.Time
			bad bool
		}
		var runs []ended
		var tickets []breaker.Ticket
		t.Repeat(map[string]func(*rapid.T){
			"pass": func(t *rapid.T) {
				now = now.Add(time.Duration(rapid.IntRange(1, 3000).Draw(t, "ms")) * time.Millisecond)
			},
			"close": func(*rapid.T) { m.Close(now); runs, tickets = nil, nil },
			"begin": func(t *rapid.T) {
				was := m.State()
				if !m.Admits(now) {
					require.NotEqual(t, breaker.Closed, m.State())
					return
				}
				require.NotEqual(t, breaker.Open, m.State())
				if was != m.State() {
					runs, tickets = nil, nil
				}
				tickets = append(tickets, m.Begin())
				if m.State() == breaker.Probing {
					require.Len(t, tickets, 1, "probes at a time")
				}
			},
			"end": func(t *rapid.T) {
				if len(tickets) == 0 {
					t.Skip("nothing runs")
				}
				i := rapid.IntRange(0, len(tickets)-1).Draw(t, "which")
				ticket := tickets[i]
				tickets = append(tickets[:i], tickets[i+1:]...)
				r := rapid.SampledFrom([]breaker.Result{breaker.Nothing, breaker.Good, breaker.Bad}).Draw(t, "result")
				was := m.State()
				m.End(ticket, now, r)
				if was == breaker.Closed && r != breaker.Nothing {
					runs = append(runs, ended{now, r == breaker.Bad})
				}
				if m.State() != was {
					tickets = nil
				}
				if was != breaker.Closed {
					runs = nil
					return
				}
				all, bad := 0, 0 // of those that are certainly in the window
				old := 0         // and of those that may be
				for _, e := range runs {
					switch age := now.Sub(e.at); {
					case age <= 9*time.Second:
						all++
						if e.bad {
							bad++
						}
					case age < 10*time.Second:
						old++
					}
				}
				if old == 0 {
					require.Equal(t, all >= 4 && 2*bad >= all && r != breaker.Nothing, m.State() == breaker.Open,
						"%d of %d bad", bad, all)
				}
				if m.State() != was {
					runs = nil
				}
			},
		})
	})
}

// Most runs fail: the breaker opens, and one run probes after the wait.
func Example() {
	m := breaker.New(breaker.Settings{FailureRate: 0.5, Window: time.Minute, MinRuns: 2, Wait: doubling})
	now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	for range 2 {
		m.End(m.Begin(), now, breaker.Bad)
	}
	fmt.Println(m.State(), "until", m.NextProbe().Format(time.TimeOnly))
	now = now.Add(time.Second)
	fmt.Println("a run may begin:", m.Admits(now))
	m.End(m.Begin(), now, breaker.Good)
	fmt.Println(m.State())
	// Output:
	// open until 12:00:01
	// a run may begin: true
	// closed
}
