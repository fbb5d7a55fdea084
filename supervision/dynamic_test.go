package supervision_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/supervision"
)

var restartRules = []struct {
	restart supervision.Restart
	reason  error
	want    bool
}{
	{supervision.Permanent, nil, true},
	{supervision.Permanent, actor.ErrShutdown, true},
	{supervision.Permanent, errBoom, true},
	{supervision.Transient, nil, false},
	{supervision.Transient, actor.ErrShutdown, false},
	{supervision.Transient, errBoom, true},
	{supervision.Transient, actor.ErrKilled, true},
	{supervision.Temporary, nil, false},
	{supervision.Temporary, errBoom, false},
}

func TestDynamicRestartsByKind(t *testing.T) {
	for _, c := range restartRules {
		bubble(t, func(r *rig) {
			sup := r.dynamic(supervision.DynamicSpec{Intensity: supervision.Intensity{Restarts: 1}})
			spec := r.child("a")
			spec.Restart = c.restart
			pid := r.start(sup, spec)
			r.send(pid, exit{c.reason})
			ended := r.takeEnded()
			if c.want {
				require.NotNil(r, r.pid(sup, "a"))
				require.NotEqual(r, pid.Id, r.pid(sup, "a").Id, "a fresh name for each incarnation")
				require.Equal(r, []string{"+a", "-a", "+a"}, r.takeLog())
				require.Empty(r, ended)
			} else {
				require.Empty(r, r.children(sup), "%v %v", c.restart, c.reason)
				require.Len(r, ended, 1)
				require.Equal(r, c.reason, ended[0].Reason)
				require.Equal(r, pid, ended[0].PID)
			}
			require.Empty(r, r.stop(sup).Abandoned)
		})
	}
}
