package actor

import (
	"fmt"
	"testing"

	pa "github.com/asynkron/protoactor-go/actor"
	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/internal/process"
)

// TestEveryNameCanBeSpawned: on 32-bit platforms, protoactor-go's own registry panics for half of
// them. `make test32` runs it there.
func TestEveryNameCanBeSpawned(t *testing.T) {
	inLab(t, func(l *lab) {
		for i := range 1000 {
			pid := l.spawn(FromFunc(func(Context) {}), SpawnOptions{Name: fmt.Sprint("child-", i), Monitor: true})
			cancel := Monitor(l.sys, l.parent, pid)
			require.True(l, Alive(l.sys, pid))
			cancel()
			Stop(l.sys, pid)
			require.ErrorIs(l, l.exited(pid), ErrShutdown)
		}
		require.NoError(l, process.CheckSystem(l.sys))
	})
}

// TestMend32KeepsWhatIsRegistered, and has no table that an index below zero could miss.
func TestMend32KeepsWhatIsRegistered(t *testing.T) {
	sys := pa.NewActorSystem()
	tables := sys.ProcessRegistry.LocalPIDs.LocalPIDs
	var pids []*PID
	for i := range 1000 {
		pid := sys.NewLocalPID(fmt.Sprint("process-", i))
		tables[i].Set(pid.Id, &monitor{}) // by hand: on 32 bits, Add would panic
		pids = append(pids, pid)
	}
	mend32(sys)
	require.Len(t, sys.ProcessRegistry.LocalPIDs.LocalPIDs, 1)
	for _, name := range []string{"eventstream", "deadletter"} {
		require.True(t, Alive(sys, sys.NewLocalPID(name)), name)
	}
	for _, pid := range pids {
		require.True(t, Alive(sys, pid), pid.Id)
		sys.ProcessRegistry.Remove(pid)
		require.False(t, Alive(sys, pid), pid.Id)
	}
}
