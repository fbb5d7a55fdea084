package gentask

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/queue"
)

// TestDrain_Removed counts each delivery once, by what has become of it.
func TestDrain_Removed(t *testing.T) {
	var none *drain
	none.removed(&entry{}) // nothing is counted without a drain
	for name, c := range map[string]struct {
		is   *entry
		want DrainReport
	}{
		"lost":      {&entry{}, DrainReport{Lost: 1}},
		"acked":     {&entry{disposition: queue.Ack}, DrainReport{Finished: 1}},
		"dead":      {&entry{disposition: queue.DeadLetter}, DrainReport{Finished: 1}},
		"requeued":  {&entry{disposition: queue.Requeue}, DrainReport{Finished: 1}},
		"released":  {&entry{disposition: queue.Release}, DrainReport{Returned: 1}},
		"not taken": {&entry{returned: true}, DrainReport{Returned: 1}},
	} {
		d := drain{}
		d.removed(c.is)
		require.Equal(t, c.want, d.report, name)
	}
}

// TestDrain_Cancel reports the jobs whose tasks it stops, and not those that have none any more.
func TestDrain_Cancel(t *testing.T) {
	d := drain{}
	idle := &entry{}
	d.cancel([]*entry{idle})
	require.True(t, d.cut)
	require.Empty(t, d.report.Cancelled)
	require.Equal(t, ErrDrained, idle.toldCause())
}
