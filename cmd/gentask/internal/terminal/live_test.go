package terminal_test

import (
	"io"
	"os"
	"strings"
	"testing"

	"github.com/creack/pty"
	"github.com/stretchr/testify/require"
	"golang.org/x/term"

	"github.com/gentask/gentask/cmd/gentask/internal/terminal"
)

// TestLive_RestoresTheTerminal also when the function panics.
func TestLive_RestoresTheTerminal(t *testing.T) {
	control, tty, err := pty.Open()
	require.NoError(t, err)
	before, err := term.GetState(int(tty.Fd()))
	require.NoError(t, err)
	screen := terminal.New(terminal.Config{In: tty, Out: tty, Err: tty})
	require.PanicsWithValue(t, "boom", func() {
		_ = screen.Live(func(l *terminal.Live) error {
			during, err := term.GetState(int(tty.Fd()))
			require.NoError(t, err)
			require.NotEqual(t, before, during)
			require.NoError(t, l.Draw([]string{"one", "two"}, false))
			require.NoError(t, l.Draw([]string{"one", "two"}, false))
			panic("boom")
		})
	})
	after, err := term.GetState(int(tty.Fd()))
	require.NoError(t, err)
	require.Equal(t, before, after)
	var data strings.Builder
	for part := make([]byte, 4096); !strings.Contains(data.String(), "\x1b[?1049l"); {
		n, err := control.Read(part)
		require.NoError(t, err)
		data.Write(part[:n])
	}
	_, err = io.WriteString(control, "\n") // the reader of the keys sees that it is over
	require.NoError(t, err)
	require.NoError(t, tty.Close())
	require.NoError(t, control.Close())
	require.Equal(t, 1, strings.Count(data.String(), "one\x1b[K\r\ntwo"), "the same lines are not drawn again")
	require.True(t, strings.HasPrefix(data.String(), "\x1b[?1049h"), "%q", data.String())
}

func TestLive_NeedsATerminal(t *testing.T) {
	null, err := os.Open(os.DevNull)
	require.NoError(t, err)
	defer null.Close()
	screen := terminal.New(terminal.Config{In: null, Out: io.Discard, Err: io.Discard})
	require.ErrorIs(t, screen.Live(func(*terminal.Live) error { panic("never") }), terminal.ErrNoTerminal)
}
