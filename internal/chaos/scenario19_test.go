package chaos

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask"
)

// TestScenario19_BrokerKilled: the broker is killed -9 in the middle of the jobs and started again
// on its data. Nothing is restarted by hand, nothing is lost, and one consumer is registered
// afterwards.
func TestScenario19_BrokerKilled(t *testing.T) {
	jobs, kills := scaled(1000, 10_000), scaled(1, 3)
	for _, kind := range []Kind{Quorum, Classic, Stream} {
		t.Run(string(kind), func(t *testing.T) {
			kill, start, at := killable(t, kind)
			tr := NewTrial(t, "broker killed -9, started again", kind, at, at)
			tr.Forgetful = kind == Stream // what it has delivered is on its disk only after a moment
			tr.Settle()
			tr.Publish(jobs)
			tr.Consume(1, gentask.Config{Concurrency: 20, Prefetch: 40})
			for range kills {
				tr.Ran(jobs / (2 * kills))
				kill()
				require.NoError(t, start())
				tr.Struck()
			}
			row := tr.Finish(1)
			require.LessOrEqual(t, row.Resumed, soon)
			require.NoError(t, table.Add(row))
		})
	}
}

// killable is the shared broker of that kind.
func killable(t *testing.T, kind Kind) (kill func(), start func() error, at string) {
	t.Helper()
	if kind == Stream {
		j := sharedStream(t)
		return func() { j.Kill(0) }, func() error { return j.Start(0) }, j.URL(0)
	}
	r := sharedRabbit(t)
	return func() { r.Kill(0) }, func() error { return r.Start(0) }, r.URL(0)
}
