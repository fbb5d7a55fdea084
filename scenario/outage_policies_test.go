package scenario_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/internal/rig"
	"github.com/gentask/gentask/internal/rig/promises"
)

// The outage of the table in docs/policies.md: for its length two messages arrive each second, and
// none later; each run takes 50 ms, and fails if it begins before the end; ten run at a time.
const (
	outageTime    = 10 * time.Minute
	outageEvery   = 500 * time.Millisecond
	outageRun     = 50 * time.Millisecond
	outageWorkers = 10
	outageJobs    = int(outageTime / outageEvery)
)

// outageRow is what became of the messages in one system.
type outageRow struct {
	system string
	burnt  int           // runs that failed
	dead   int           // messages that were given up
	first  time.Duration // from the recovery to the first success
	done   time.Duration // and to the last
}

// idle is for how long after the recovery nothing was done although there was work.
func (o outageRow) idle() time.Duration {
	work := time.Duration(outageJobs-o.dead) * outageRun / outageWorkers
	return max(o.done-work, 0)
}

func (o outageRow) String() string {
	if o.dead == outageJobs {
		return fmt.Sprintf("| %s | %d | %d | - | - |", o.system, o.burnt, o.dead)
	}
	return fmt.Sprintf("| %s | %d | %d | %v | %v |", o.system, o.burnt, o.dead, o.first.Round(100*time.Millisecond), o.idle().Round(time.Second))
}

// TestOutage prints the table: go test -run TestOutage -v . The first two rows are measured, in
// virtual time; the others are models: the waits and attempts of their documentation, with
// everything else as good as it can be.
func TestOutage(t *testing.T) {
	table := []string{"| system | failed runs | given up | first success after | idle until all are done |", "|---|--:|--:|--:|--:|"}
	bare := measureOutage(t, "gentask", gentask.Policy{})
	held := measureOutage(t, "gentask, `Breaker{FailureRate: 0.5}`", gentask.Policy{Breaker: gentask.Breaker{FailureRate: 0.5}})
	for _, row := range []outageRow{bare, held} {
		table = append(table, row.String())
	}
	for _, m := range outageModels() {
		table = append(table, m.play().String())
	}
	t.Log("\n" + strings.Join(table, "\n"))

	require.Zero(t, bare.dead)
	require.Zero(t, held.dead)
	require.Less(t, held.burnt, 60)
	require.Greater(t, bare.burnt, 50*held.burnt)
	require.Less(t, held.idle(), 70*time.Second, "the longest wait is a minute")
	require.Greater(t, bare.idle(), held.idle())
}

// measureOutage plays the outage with a consumer of ours.
func measureOutage(t *testing.T, system string, policy gentask.Policy) outageRow {
	t.Helper()
	row := outageRow{system: system}
	rig.Memory().Run(t, func(r *rig.Rig) {
		up := time.Now().Add(outageTime)
		var s promises.Starts
		r.Limit = 2 * time.Hour
		r.Start(r.Handle(func(ctx context.Context, _ string) error {
			failing := time.Now().Before(up)
			if err := rig.Pause(ctx, outageRun); err != nil || !failing {
				s.Note()
				return err
			}
			return errDown
		}), gentask.Config{Concurrency: outageWorkers, Policy: policy})
		for range outageJobs {
			r.Publish(1)
			time.Sleep(outageEvery)
		}
		r.Finish()
		ends := s.Since(up)
		row.burnt, row.dead = r.Runs.Total()-len(ends), r.Memory.Stats().DeadLettered
		row.first, row.done = ends[0].Sub(up), ends[len(ends)-1].Sub(up)
	})
	return row
}
