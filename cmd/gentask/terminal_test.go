package main

import (
	"io"
	"os/exec"
	"strings"
	"testing"

	"github.com/creack/pty"
	"github.com/stretchr/testify/require"
)

// typed runs a program in a terminal, types a text at its prompt, and returns its exit code and
// what was shown.
func typed(t *testing.T, c *exec.Cmd, prompt, text string) (int, string) {
	t.Helper()
	terminal, err := pty.StartWithSize(c, &pty.Winsize{Rows: 24, Cols: 60})
	require.NoError(t, err)
	defer terminal.Close()
	var shown strings.Builder
	asked, part := prompt == "", make([]byte, 4096)
	for {
		n, err := terminal.Read(part)
		shown.Write(part[:n])
		if err != nil { // the program has ended
			return codeOf(t, c.Wait()), shown.String()
		}
		if !asked && strings.Contains(shown.String(), prompt) {
			asked = true
			_, err = io.WriteString(terminal, text)
			require.NoError(t, err)
		}
	}
}

// TestTerminal_AsksBeforeLettersGo, and takes only a yes.
func TestTerminal_AsksBeforeLettersGo(t *testing.T) {
	p := atDirectory(t, place{queue: "emails", fleet: "cli"})
	p.must(t, "a\nb\n", "publish", p.queue, "--create", "--lines")
	run := start(t, p.args("run", p.queue, "--", "sh", "-c", "exit 65")...)
	run.line()
	run.line()
	require.Zero(t, run.end(2))

	code, shown := typed(t, program(t, p.args("letters", "purge", p.queue)...), "[y/N]", "n\n")
	require.Equal(t, 1, code, shown)
	require.Contains(t, shown, `2 letters of queue "emails" match: remove for good? [y/N]`)
	require.Contains(t, shown, "nothing was removed")
	code, shown = typed(t, program(t, p.args("letters", "purge", p.queue)...), "[y/N]", "\x03") // Ctrl-C
	require.Equal(t, 130, code, shown)
	code, shown = typed(t, program(t, p.args("letters", "purge", p.queue)...), "[y/N]", "yes\n")
	require.Zero(t, code, shown)
	require.Contains(t, shown, "2 of 2 letters removed")
}

// TestTerminal_Table is aligned, has a head, and colours unless they are not wanted.
func TestTerminal_Table(t *testing.T) {
	p := atDirectory(t, place{queue: "emails", fleet: "cli"})
	p.must(t, "a\nb\n", "publish", p.queue, "--create", "--lines")
	code, shown := typed(t, program(t, p.args("queues")...), "", "")
	require.Zero(t, code, shown)
	require.Contains(t, shown, "\x1b[1mQUEUE\x1b[0m")

	c := program(t, p.args("queues")...)
	c.Env = append(c.Env, "NO_COLOR=1")
	_, shown = typed(t, c, "", "")
	require.Equal(t, []string{
		"QUEUE   READY  DELAYED  HELD  DEAD  CONSUMERS",
		"emails      2        -     0     0          -", "",
	}, strings.Split(strings.ReplaceAll(shown, "\r", ""), "\n"))
}
