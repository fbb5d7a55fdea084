package adapt_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/gentask/gentask/internal/adapt"
)

var start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func settings(most int) adapt.Settings {
	return adapt.Settings{Min: 1, Max: most, Tolerance: 1.5, FailureRate: 0.1}
}

// driven is a limiter and the time.
type driven struct {
	*adapt.Limiter
	now time.Time
}

func drive(s adapt.Settings) *driven { return &driven{adapt.New(s), start} }

// through runs rounds of as many jobs as the limit allows. Each job takes the time that took
// returns. It returns the limits after each round.
func (l *driven) through(rounds int, took func(running int) (d time.Duration, failed bool)) []int {
	var limits []int
	for range rounds {
		n := l.Limit()
		begun := l.now
		for range n {
			d, failed := took(n)
			l.now = begun.Add(d)
			l.Ended(l.now, adapt.Run{Begun: begun, Took: d, Failed: failed, Busy: n})
		}
		l.now = l.now.Add(1)
		limits = append(limits, l.Limit())
	}
	return limits
}

// service serves up to capacity jobs in 100 ms; more of them share it.
func service(capacity int) func(int) (time.Duration, bool) {
	return func(running int) (time.Duration, bool) {
		return 100 * time.Millisecond * time.Duration(max(running, capacity)) / time.Duration(capacity), false
	}
}

func TestGrowsWhileFlat(t *testing.T) {
	l := drive(settings(50))
	l.through(500, service(1000))
	require.Equal(t, 50, l.Limit())
}

func TestShrinksOnFailures(t *testing.T) {
	l := drive(settings(64))
	l.through(200, service(1000))
	require.Equal(t, 64, l.Limit())
	l.through(200, func(int) (time.Duration, bool) { return time.Second, true })
	require.Equal(t, 1, l.Limit())
}

// TestGrowsOnlyWhenFull: a limit that is not reached proves nothing about a higher one.
func TestGrowsOnlyWhenFull(t *testing.T) {
	s := settings(50)
	s.Min = 10
	l := drive(s)
	for i := range 1000 {
		now := start.Add(time.Duration(i) * time.Second)
		l.Ended(now, adapt.Run{Begun: now, Took: time.Millisecond, Busy: 9})
	}
	require.Equal(t, 10, l.Limit())
}

// TestFindsTheCapacity: the limit ends up near the capacity of a service, and stays there.
func TestFindsTheCapacity(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		capacity := rapid.IntRange(2, 60).Draw(t, "capacity")
		l := drive(settings(200))
		for _, limit := range l.through(600, service(capacity))[300:] {
			require.GreaterOrEqual(t, float64(limit), 0.5*float64(capacity)-2)
			require.LessOrEqual(t, float64(limit), 1.6*float64(capacity)+2)
		}
	})
}

// TestSlowerForGood: jobs that take ten times as long, with any number beside them, don't keep the
// limit down.
func TestSlowerForGood(t *testing.T) {
	l := drive(settings(20))
	l.through(200, func(int) (time.Duration, bool) { return 100 * time.Millisecond, false })
	require.Equal(t, 20, l.Limit())
	limits := l.through(1000, func(int) (time.Duration, bool) { return time.Second, false })
	require.Less(t, limits[5], 20)
	require.Equal(t, 20, l.Limit())
}

// TestLessCapacity: a service that is left with a tenth of what it could do is not overloaded for
// ever.
func TestLessCapacity(t *testing.T) {
	l := drive(settings(200))
	l.through(300, service(60))
	limits := l.through(300, service(6))
	require.Less(t, limits[20], 30)
	require.Less(t, l.Limit(), 12)
}

// TestSetMax: takes effect at once, in both directions.
func TestSetMax(t *testing.T) {
	s := settings(20)
	s.Min = 4
	l := drive(s)
	l.through(100, service(1000))
	l.SetMax(2)
	require.Equal(t, 2, l.Limit(), "though Min is more")
	l.through(100, func(int) (time.Duration, bool) { return time.Second, true })
	require.Equal(t, 2, l.Limit())
	l.SetMax(10)
	l.through(100, service(1000))
	require.Equal(t, 10, l.Limit())
}

// TestBounds: the limit stays within Min and Max, with any sequence of jobs.
func TestBounds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := settings(rapid.IntRange(1, 30).Draw(t, "max"))
		s.Min = rapid.IntRange(1, s.Max).Draw(t, "min")
		l, now := drive(s), start
		for range rapid.IntRange(0, 300).Draw(t, "runs") {
			require.LessOrEqual(t, s.Min, l.Limit())
			require.LessOrEqual(t, l.Limit(), s.Max)
			took := time.Duration(rapid.Int64Range(0, int64(time.Hour)).Draw(t, "took"))
			now = now.Add(time.Duration(rapid.Int64Range(0, int64(time.Hour)).Draw(t, "pause")))
			l.Ended(now, adapt.Run{
				Begun: now.Add(-took), Took: took, Failed: rapid.Bool().Draw(t, "failed"),
				Busy: rapid.IntRange(1, 60).Draw(t, "busy"),
			})
		}
	})
}

// A service does twenty jobs at a time as fast as one; the limit finds that out.
func Example() {
	l := drive(adapt.Settings{Min: 1, Max: 100, Tolerance: 1.5, FailureRate: 0.1})
	l.through(1000, service(20))
	fmt.Println("between 10 and 32:", l.Limit() >= 10 && l.Limit() <= 32)
	// Output: between 10 and 32: true
}
