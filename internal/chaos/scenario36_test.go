package chaos

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask"
)

// TestScenario36_FrozenConnection: every connection goes silent, that of the session and that for
// publishing, as one does whose state a firewall has forgotten, while messages wait. New
// connections work. Within 5 s the consumer has noticed, without the help of the heartbeats that
// the URL asks for, and opened the next session; dead letters that were on their way are published
// again.
func TestScenario36_FrozenConnection(t *testing.T) {
	for _, kind := range kinds() {
		t.Run(string(kind), func(t *testing.T) {
			at := shared(t, kind)
			p := newProxy(t, at)
			through := p.URL()
			if kind != Stream {
				through += "?heartbeat=60"
			}
			tr := NewTrial(t, "connection goes silent while messages wait", kind, through, at)
			tr.Work = 5 * time.Millisecond
			jobs := scaled(2000, 5000)
			tr.Publish(jobs)
			tr.Consume(1, gentask.Config{Concurrency: 4, Prefetch: 8})
			for range scaled(2, 5) {
				tr.Ran(jobs / 10)
				p.Freeze()
				lost := len(tr.Events(gentask.EventSessionLost))
				tr.Eventually("it is noticed", func() bool { return len(tr.Events(gentask.EventSessionLost)) > lost })
				tr.Struck()
			}
			p.Clear() // so that the broker is told of the end of the old connections
			row := tr.Finish(1)
			row.Resumed = row.LongestPause // jobs that were on their way at the fault still ran
			require.LessOrEqual(t, row.LongestPause, Span(5*time.Second))
			if kind != Stream { // whose driver notices by itself that its requests are not answered
				require.NotEmpty(t, tr.Events(gentask.EventHealed))
				require.ErrorIs(t, tr.Events(gentask.EventSessionLost)[0].Reason, gentask.ErrSilent)
			}
			require.NoError(t, table.Add(row))
		})
	}
}

// TestScenario36_IdleQueue: nothing waits, and no session ends.
func TestScenario36_IdleQueue(t *testing.T) {
	for _, kind := range kinds() {
		t.Run(strings.ToLower(string(kind)), func(t *testing.T) {
			at := shared(t, kind)
			tr := NewTrial(t, "idle", kind, at, at)
			tr.Publish(10)
			tr.Consume(2, gentask.Config{})
			tr.Eventually("all has run", func() bool { return tr.open() == 0 })
			pause(nil, time.Duration(scaled(4, 10))*time.Second)
			tr.Publish(10)
			tr.Finish(2)
			require.Empty(t, tr.Events(gentask.EventHealed))
			require.Empty(t, tr.Events(gentask.EventSessionLost))
		})
	}
}
