package actor

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	pa "github.com/asynkron/protoactor-go/actor"
	"github.com/stretchr/testify/require"
)

// TestDeadLetters_LeaveNothing: a message to an actor that has ended keeps no goroutine, with which
// the bubble could not end.
func TestDeadLetters_LeaveNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sys := NewSystem(SystemConfig{})
		pid := SpawnRoot(sys, FromFunc(func(Context) {}), "short")
		_, err := Shutdown(t.Context(), sys, pid)
		require.NoError(t, err)
		for range 10 {
			sys.Root.Send(pid, "too late")
		}
	})
}

// TestDeadLetters_AreLogged: the first ones of each second, with how many were not.
func TestDeadLetters_AreLogged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		sys := pa.NewActorSystem(pa.WithLoggerFactory(func(*pa.ActorSystem) *slog.Logger {
			return slog.New(slog.NewTextHandler(&out, nil))
		}))
		handleDeadLetters(sys)
		gone := sys.NewLocalPID("gone")
		send := func(n int) []string {
			out.Reset()
			for range n {
				sys.Root.Send(gone, "too late")
			}
			return strings.Split(strings.TrimSpace(out.String()), "\n")
		}
		require.Len(t, send(10), 3)
		time.Sleep(time.Second)
		lines := send(1)
		require.Len(t, lines, 1)
		require.Contains(t, lines[0], "not_logged_before=7")
	})
}

// TestDeadLetters_Answer: a request to an actor that is gone fails at once, and one that watches it
// learns that it has ended.
func TestDeadLetters_Answer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sys := NewSystem(SystemConfig{})
		gone := sys.NewLocalPID("gone")
		begun := time.Now()
		_, err := sys.Root.RequestFuture(gone, "question", time.Hour).Result()
		require.ErrorIs(t, err, pa.ErrDeadLetter)
		require.Zero(t, time.Since(begun))

		ended := make(chan *pa.PID, 1)
		pid := SpawnRoot(sys, FromFunc(func(ctx Context) {
			switch m := ctx.Message().(type) {
			case *pa.Started:
				ctx.Watch(gone)
			case *pa.Terminated:
				ended <- m.Who
			}
		}), "watcher")
		require.True(t, gone.Equal(<-ended))
		_, err = Shutdown(t.Context(), sys, pid)
		require.NoError(t, err)
	})
}
