//go:build 386 || arm || mips || mipsle

package actor

import (
	"testing"

	pa "github.com/asynkron/protoactor-go/actor"
	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/internal/process"
)

// TestASystemOfProtoactorsOwnIsRefused where it would panic later, for every other name.
func TestASystemOfProtoactorsOwnIsRefused(t *testing.T) {
	sys := pa.NewActorSystem()
	require.ErrorIs(t, process.CheckSystem(sys), process.ErrSystem32)
	require.PanicsWithError(t, process.ErrSystem32.Error(), func() { SpawnRoot(sys, FromFunc(func(Context) {}), "root") })
}
