package actor

import (
	"testing"

	pa "github.com/asynkron/protoactor-go/actor"
	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/internal/process"
)

func TestTrap28_Ready(t *testing.T) {
	nothing := func(Context) {}
	for name, c := range map[string]struct {
		started, later func(Context)
		ready, ready2  bool // after Started, after the message that follows
	}{
		"at once":           {nothing, nothing, true, true},
		"not after Exit":    {func(ctx Context) { Exit(ctx, nil) }, nothing, false, false},
		"not after a crash": {func(Context) { panic("boom") }, nothing, false, false},
		"delayed for ever":  {process.DelayReady, nothing, false, false},
		"delayed":           {process.DelayReady, process.ReportReady, false, true},
		"delayed, crash":    {process.DelayReady, func(ctx Context) { panic("boom") }, false, false},
		"delayed, reported at once": {func(ctx Context) {
			process.DelayReady(ctx)
			process.ReportReady(ctx)
		}, process.ReportReady, true, true},
		"reported twice": {nothing, process.ReportReady, true, true},
	} {
		t.Run(name, func(t *testing.T) {
			inLab(t, func(l *lab) {
				pid := l.spawn(FromFunc(func(ctx Context) {
					switch ctx.Message().(type) {
					case *Started:
						c.started(ctx)
					case string:
						c.later(ctx)
					}
				}), SpawnOptions{Ready: true})
				require.Equal(l, c.ready, l.readies(pid) == 1)
				if c.ready {
					c.ready2 = false // only one
				}
				Send(l.sys, pid, "later")
				require.Equal(l, c.ready2, l.readies(pid) == 1)
			})
		})
	}
}

// readies counts the *Ready that the parent got since the last call.
func (l *lab) readies(pid *PID) (n int) {
	l.settle()
	for len(l.news) > 0 {
		switch m := (<-l.news).(type) {
		case *Ready:
			require.Equal(l, pid.Id, m.PID.Id)
			n++
		case *pa.Terminated:
		}
	}
	return n
}
