package command_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/creack/pty"
	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/cmd/gentask/internal/broker"
	"github.com/gentask/gentask/cmd/gentask/internal/command"
	"github.com/gentask/gentask/queue"
)

// leaving is a world whose broker can be away.
type leaving struct {
	*world
	away atomic.Bool
}

// errGone has what a terminal would act on.
var errGone = errors.New("gone \x1b[2J")

func (l *leaving) Names(ctx context.Context) ([]string, error) {
	if l.away.Load() {
		return nil, errors.Join(queue.ErrUnavailable, errGone)
	}
	return l.world.Names(ctx)
}

// onTerminal runs the command top, and returns a function that waits until a text was shown, one
// that types, and the exit code.
func (l *leaving) onTerminal(args ...string) (until, types func(text string), code <-chan int) {
	control, tty, err := pty.Open()
	require.NoError(l.t, err)
	var running sync.WaitGroup
	ended := make(chan int, 1)
	running.Go(func() {
		ended <- command.Main(context.Background(), command.Program{
			Args: append([]string{"gentask", "top", "--every", "500ms"}, args...), In: tty, Out: tty, Err: tty,
			Hurry: make(chan struct{}),
			Open:  func(context.Context, broker.Config) (broker.Broker, error) { return l, nil },
		})
	})
	types = func(text string) {
		_, err := io.WriteString(control, text)
		require.NoError(l.t, err)
	}
	l.t.Cleanup(func() {
		types("q")
		running.Wait()
		types("\n") // the reader of the keys sees that it is over
		_ = tty.Close()
		_ = control.Close()
	})
	shown, part := "", make([]byte, 4096)
	return func(text string) {
		l.t.Helper()
		for {
			if _, rest, found := strings.Cut(shown, text); found {
				shown = rest
				return
			}
			n, err := control.Read(part)
			require.NoError(l.t, err)
			shown += string(part[:n])
		}
	}, types, ended
}

// TestTop_GoesOnWithoutTheBroker says so, keeps what it has, and shows what is new afterwards.
func TestTop_GoesOnWithoutTheBroker(t *testing.T) {
	l := &leaving{world: newWorld(t, "emails")}
	consumer := l.join("emails", "node-\x1b[2J")
	require.NoError(t, l.queues["emails"].Publish(t.Context(), queue.Message{ID: "m\x1b]0;x\x07"}))
	require.Eventually(t, func() bool { return consumer.Health().Running == 1 }, 10*time.Second, time.Millisecond)
	until, types, code := l.onTerminal()
	until(`node-\x1b[2J`)
	until(`m\x1b]0;x\a`)
	l.away.Store(true)
	until("as of ")
	until(`gone \x1b[2J`)
	until("emails")
	l.away.Store(false)
	until("  memory  order: name")
	types("q")
	require.Equal(t, command.ExitDone, <-code)
}

// TestTop_NeedsATerminal, and names what does not.
func TestTop_NeedsATerminal(t *testing.T) {
	w := newWorld(t, "emails")
	for _, args := range [][]string{{"top"}, {"top", "--json"}} {
		o := w.call("", args...)
		require.Equal(t, command.ExitUsage, o.code)
		require.Empty(t, o.out)
		require.Contains(t, o.err, "jobs --watch --json, or queues")
	}
	require.Contains(t, w.call("", "top", "--every", "1ms").err, "want 500ms or more")
}
