package main

import (
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/creack/pty"
	"github.com/stretchr/testify/require"
	"golang.org/x/term"
)

// watched is the command top in a terminal.
type watched struct {
	t            *testing.T
	control, tty *os.File
	before       *term.State
	c            *exec.Cmd
	shown        string
}

// watch starts the command top.
func watch(t *testing.T, args ...string) *watched {
	t.Helper()
	control, tty, err := pty.Open()
	require.NoError(t, err)
	t.Cleanup(func() { _ = control.Close(); _ = tty.Close() })
	require.NoError(t, pty.Setsize(control, &pty.Winsize{Rows: 24, Cols: 100}))
	before, err := term.GetState(int(tty.Fd()))
	require.NoError(t, err)
	c := program(t, args...)
	c.Stdin, c.Stdout, c.Stderr = tty, tty, tty
	c.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	require.NoError(t, c.Start())
	return &watched{t: t, control: control, tty: tty, before: before, c: c}
}

// until reads until a text is shown that was not shown before, and forgets all up to it.
func (w *watched) until(text string) {
	w.t.Helper()
	part := make([]byte, 4096)
	for {
		if _, rest, found := strings.Cut(w.shown, text); found {
			w.shown = rest
			return
		}
		n, err := w.control.Read(part)
		require.NoError(w.t, err, "want %q after %q", text, w.shown)
		w.shown += string(part[:n])
	}
}

// types types a text.
func (w *watched) types(text string) {
	w.t.Helper()
	_, err := io.WriteString(w.control, text)
	require.NoError(w.t, err)
}

// ended waits for the end, and returns the exit code of a command that has restored the terminal.
func (w *watched) ended() int {
	w.t.Helper()
	w.until("\x1b[?7h\x1b[?25h\x1b[?1049l")
	code := codeOf(w.t, w.c.Wait())
	after, err := term.GetState(int(w.tty.Fd()))
	require.NoError(w.t, err)
	require.Equal(w.t, w.before, after)
	return code
}

// TestTop starts, is drawn again when something changes, follows the size, and ends in each way
// with the terminal as it was.
func TestTop(t *testing.T) {
	p := atDirectory(t, place{queue: "emails", fleet: "cli"})
	p.must(t, "a\nb\n", "publish", p.queue, "--create", "--lines")
	args := p.args("top", "--every", "500ms")
	w := watch(t, args...)
	w.until("\x1b[?1049h")
	w.until("fleet cli  nodes 0")
	w.until("emails        2")
	w.until("no consumer in the fleet")
	w.types("s")
	w.until("order: waiting")
	w.types("p")
	w.until("PAUSED")
	w.types("?")
	w.until("Ctrl-C: end")
	require.NoError(t, pty.Setsize(w.control, &pty.Winsize{Rows: 5, Cols: 12}))
	w.until("fleet cli  …")
	w.until("QUEUE")
	w.types("\x1b[B")
	w.until("emails\x1b[K")
	w.types("q")
	require.Zero(t, w.ended())

	w = watch(t, args...)
	w.until("emails")
	w.types("\x03")
	require.Equal(t, 130, w.ended())

	w = watch(t, args...)
	w.until("emails")
	require.NoError(t, w.c.Process.Signal(syscall.SIGTERM))
	require.Equal(t, 130, w.ended())
}

// TestTop_OnEachBroker counts what waits.
func TestTop_OnEachBroker(t *testing.T) {
	everywhere(t, func(t *testing.T, p place) {
		p = p.current(t)
		p.must(t, "a\nb\n", "publish", p.queue, "--create", "--lines")
		p.ready(t, 2)
		w := watch(t, p.args("top", "--queue", p.queue, "--every", "500ms")...)
		w.until("WAITING")
		w.until(p.queue + "        2")
		w.types("q")
		require.Zero(t, w.ended())
	})
}
