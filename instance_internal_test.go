package gentask

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/actor"
)

// TestInstance_TimeToDrain: the tree gives its ledger the time to drain in the worst case: a job
// that ignores its context, and a driver that does not return.
func TestInstance_TimeToDrain(t *testing.T) {
	for _, c := range [][]string{{"run a: deaf 35s"}, {"run a: deaf 1h", "publish a", "stick"}} {
		rested(t, append([]string{"set DrainTimeout 10s", "set Grace 30s"}, c...), func(r atRest) {
			if len(c) == 1 {
				r.do("publish a")
			}
			actor.Stop(r.sys, r.consumer.current().root)
			r.do("wait 5m")
			require.True(r, r.over())
			require.Equal(r, 1, r.seen("event drained"))
			require.NoError(r, r.consumer.current().failure())
			require.Equal(r, len(c) == 1, r.q.Stats().Acked == 1)
		})
	}
}

// TestInstance_WithoutALedger: a task that outlives its ledger, or a gate that opens, has nobody to
// tell.
func TestInstance_WithoutALedger(t *testing.T) {
	rested(t, nil, func(r atRest) {
		require.NoError(r, r.start())
		r.settle()
		i := newInstance(r.consumer)
		require.NotPanics(r, func() {
			i.abandonedNow(1)
			i.unblock()
		})
	})
}

// TestInstance_CrashIsLogged: a ledger that crashes is restarted, and that is loud.
func TestInstance_CrashIsLogged(t *testing.T) {
	rested(t, nil, func(r atRest) {
		text := r.logged()
		r.do("start")
		require.NotContains(r, text.String(), "ledger crashed")
		r.do("crash ledger", "wait 1s")
		require.Contains(r, text.String(), "ledger crashed")
	})
}
