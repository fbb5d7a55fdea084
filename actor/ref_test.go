package actor

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	pa "github.com/asynkron/protoactor-go/actor"
	"github.com/stretchr/testify/require"
)

// command is what an account takes.
type command interface{ command() }

type (
	deposit int
	balance struct{ answer func(int) }
)

func (deposit) command() {}
func (balance) command() {}

func TestRef(t *testing.T) {
	inLab(t, func(l *lab) {
		sum := 0
		pid := l.child(func(ctx Context) {
			switch m := ctx.Message().(type) {
			case deposit:
				sum += int(m)
			case balance:
				m.answer(sum)
			}
		})
		ref := RefTo[command](l.sys, pid)
		require.Equal(l, pid, ref.PID())
		require.Equal(l, ref, RefTo[command](l.sys, pid))
		ref.Tell(deposit(2))
		ref.Tell(deposit(3))
		ask := func(r Ref[command]) (int, error) {
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			defer cancel()
			return AskRef(ctx, r, func(answer func(int)) command { return balance{answer} })
		}
		got, err := ask(ref)
		require.NoError(l, err)
		require.Equal(l, 5, got)

		Stop(l.sys, ref.PID())
		require.ErrorIs(l, l.exited(pid), ErrShutdown)
		elsewhere := RefTo[command](l.sys, pa.NewPID("elsewhere", "x"))
		for _, gone := range []Ref[command]{ref, {}, RefTo[command](l.sys, nil), elsewhere} {
			gone.Tell(deposit(1))
			_, err := ask(gone)
			require.ErrorIs(l, err, ErrNoProcess)
		}
		synctest.Wait()
		require.Equal(l, 5, sum)
	})
}
