package chaos

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestScenario23_WorkerKilled: two worker processes consume, and again and again one of them is
// killed -9 in the middle of its jobs, and replaced. The other one gets what it held at once, as a
// further attempt. Nothing is lost, and everything ends acknowledged.
func TestScenario23_WorkerKilled(t *testing.T) {
	for _, kind := range []Kind{Quorum, Classic, Stream} {
		t.Run(string(kind), func(t *testing.T) {
			kills, jobs := scaled(4, 50), scaled(500, 20_000)
			if full && kind != Quorum {
				kills, jobs = 10, 4000
			}
			row := KillWorkers(t, kind, shared(t, kind), kills, jobs)
			require.LessOrEqual(t, row.Resumed, soon)
			require.NoError(t, table.Add(row))
		})
	}
}
