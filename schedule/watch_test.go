package schedule

import (
	"bytes"
	"context"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/memory"
)

// settable is a clock that a test sets. The time of the bubble stands for the true one.
type settable struct{ off atomic.Int64 }

func (s *settable) now() time.Time        { return wallClock().Add(time.Duration(s.off.Load())) }
func (s *settable) set(off time.Duration) { s.off.Store(int64(off)) }

// startBy starts a node by another clock.
func startBy(t *testing.T, now clock, p queue.Publisher, plans ...Plan) *node {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	n := &node{stop: cancel, done: make(chan error, 1), log: &bytes.Buffer{}}
	cfg := Config{Plans: plans, Logger: slog.New(slog.NewTextHandler(n.log, nil))}
	go func() { n.done <- run(ctx, p, cfg, now) }()
	return n
}

// TestScenario44_AClockThatIsSet: whenever and by however much a clock is set, a plan fires in the
// next minute, and from then on each minute.
func TestScenario44_AClockThatIsSet(t *testing.T) {
	for _, wait := range []time.Duration{
		0, 100 * time.Millisecond, 30 * time.Second,
		59*time.Second + 900*time.Millisecond,
	} {
		for _, off := range []time.Duration{
			6 * time.Hour, -6 * time.Hour, time.Minute, -time.Minute, 2 * time.Hour,
			400 * 24 * time.Hour, -400 * 24 * time.Hour,
			30 * time.Second, -30 * time.Second, -time.Millisecond, time.Millisecond,
		} {
			in(t, func(t *testing.T, q *memory.Queue) {
				c := &settable{}
				c.set(off)
				p := &counting{Queue: q}
				n := startBy(t, c.now, p, Plan{Name: "tick", Cron: "* * * * *"})
				time.Sleep(10*time.Minute + wait)
				require.InDelta(t, 10, p.count.Load(), 1)
				c.set(0)
				for i := range 5 {
					before := p.count.Load()
					time.Sleep(61 * time.Second)
					if i == 0 && off >= 0 && off <= time.Minute {
						continue // the planned time of this minute was fired before
					}
					require.GreaterOrEqual(t, p.count.Load(), before+1, "minute %d after a clock was set by %v at %v",
						i, -off, wait)
					require.LessOrEqual(t, p.count.Load(), before+3)
				}
				end(t, n)
			})
		}
	}
}

// TestScenario44_ASmallStepBackRepeatsNothing: what was fired is not published again.
func TestScenario44_ASmallStepBackRepeatsNothing(t *testing.T) {
	in(t, func(t *testing.T, q *memory.Queue) {
		c, p := &settable{}, &counting{Queue: q}
		n := startBy(t, c.now, p, Plan{Name: "tick", Cron: "* * * * *"})
		time.Sleep(time.Minute + time.Millisecond)
		for i := range 20 {
			require.EqualValues(t, i+1, p.count.Load())
			c.set(-time.Duration(i+1) * 5 * time.Millisecond)
			time.Sleep(time.Minute + 5*time.Millisecond)
		}
		require.NotContains(t, end(t, n), "left out")
	})
}

// TestScenario44_APlanOfTheDay: a clock that is set while a plan sleeps for hours moves its firing.
func TestScenario44_APlanOfTheDay(t *testing.T) {
	for off, want := range map[time.Duration]time.Duration{
		-3 * time.Hour: 15 * time.Hour, 3 * time.Hour: 9 * time.Hour, 11 * time.Hour: time.Hour,
	} {
		in(t, func(t *testing.T, q *memory.Queue) {
			c, p := &settable{}, &counting{Queue: q}
			begin := time.Now()
			n := startBy(t, c.now, p, Plan{Name: "noon", Cron: "0 12 * * *"})
			time.Sleep(30 * time.Minute)
			c.set(off)
			time.Sleep(time.Until(begin.Add(want - time.Second)))
			require.Zero(t, p.count.Load())
			time.Sleep(2 * time.Second)
			require.EqualValues(t, 1, p.count.Load())
			end(t, n)
		})
	}
}

// TestScenario44_SetBackInAnOutage: a firing that is being tried does not go on for as long as the
// clock was ahead.
func TestScenario44_SetBackInAnOutage(t *testing.T) {
	in(t, func(t *testing.T, q *memory.Queue) {
		c, p := &settable{}, &flaky{Queue: q}
		c.set(6 * time.Hour)
		p.fail(errDown)
		n := startBy(t, c.now, p, Plan{Name: "tick", Cron: "* * * * *"})
		time.Sleep(90 * time.Second)
		c.set(0)
		p.fail(errDown)
		time.Sleep(2 * time.Minute)
		p.fail(nil)
		time.Sleep(2 * time.Minute)
		require.NotEmpty(t, planned(t, q))
		require.Contains(t, end(t, n), "the clock was set back")
	})
}

// TestScenario44_SetForward: what was skipped is left out and the log reports it, or the last of it
// is fired.
func TestScenario44_SetForward(t *testing.T) {
	for missed, want := range map[Missed][]string{
		Skip:   {"2000-01-01T07:00:00Z"},
		Latest: {"2000-01-01T00:00:00Z", "2000-01-01T06:00:00Z", "2000-01-01T07:00:00Z"},
	} {
		in(t, func(t *testing.T, q *memory.Queue) {
			c := &settable{}
			n := startBy(t, c.now, q, Plan{Name: "report", Cron: "@hourly", Missed: missed})
			time.Sleep(30*time.Minute + 59*time.Second) // a look is a second away
			c.set(5*time.Hour + 30*time.Minute + 11*time.Second)
			time.Sleep(65 * time.Minute)
			require.Equal(t, want, planned(t, q))
			require.Contains(t, end(t, n), "left out")
		})
	}
}

// counting counts what is published.
type counting struct {
	*memory.Queue
	count atomic.Int64
}

func (c *counting) Publish(ctx context.Context, msgs ...queue.Message) error {
	c.count.Add(1)
	return c.Queue.Publish(ctx, msgs...)
}
