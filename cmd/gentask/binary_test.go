package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// patience is how long a test waits for what should come.
const patience = 30 * time.Second

// outcome is how the program ended.
type outcome struct {
	code     int
	out, err string
}

// program returns the command with arguments, as a process of its own. It ends with the test.
func program(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	path, err := os.Executable()
	require.NoError(t, err)
	c := exec.CommandContext(t.Context(), path, args...)
	c.Env = append(os.Environ(), asCommand+"=yes", "GORACE=atexit_sleep_ms=0", "GENTASK_URL=", "USER=tester")
	return c
}

// TestBuilt is about the program as it is built and installed.
func TestBuilt(t *testing.T) {
	path := filepath.Join(t.TempDir(), "gentask")
	out, err := exec.Command("go", "build", "-o", path, ".").CombinedOutput()
	require.NoError(t, err, "%s", out)
	for _, args := range [][]string{
		{"--version"},
		{"completion", "bash"},
		{"--url", "file:" + t.TempDir(), "publish", "emails", "main.go", "--create"},
	} {
		out, err := exec.Command(path, args...).CombinedOutput()
		require.NoError(t, err, "%s: %s", args, out)
		require.NotEmpty(t, out)
	}
}

// call runs the program until it ends.
func call(t *testing.T, in string, args ...string) outcome {
	t.Helper()
	c := program(t, args...)
	var out, errs bytes.Buffer
	c.Stdin, c.Stdout, c.Stderr = strings.NewReader(in), &out, &errs
	return outcome{codeOf(t, c.Run()), out.String(), errs.String()}
}

func codeOf(t *testing.T, err error) int {
	t.Helper()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.ExitCode()
	}
	require.NoError(t, err)
	return 0
}

// running is a program that goes on.
type running struct {
	*exec.Cmd
	t     *testing.T
	lines chan string // of its output
	log   *bytes.Buffer
	ended chan struct{}
	err   error
}

// start starts the program.
func start(t *testing.T, args ...string) *running {
	t.Helper()
	r := &running{
		Cmd: program(t, args...), t: t, lines: make(chan string, 10_000), log: &bytes.Buffer{}, ended: make(chan struct{}),
	}
	out, w := io.Pipe()
	r.Stdout, r.Stderr = w, r.log
	require.NoError(t, r.Start())
	go func() {
		defer close(r.lines)
		for s := bufio.NewScanner(out); s.Scan(); {
			r.lines <- s.Text()
		}
	}()
	go func() {
		defer close(r.ended)
		r.err = r.Cmd.Wait()
		_ = w.Close()
	}()
	t.Cleanup(func() { _ = r.Process.Kill(); <-r.ended })
	return r
}

// line returns the next line of the output.
func (r *running) line() string {
	r.t.Helper()
	select {
	case line, ok := <-r.lines:
		if !ok {
			r.t.Fatalf("it has ended: %s", r.logged())
		}
		return line
	case <-time.After(patience):
		r.t.Fatal("no further line")
		return ""
	}
}

// logged returns the log of a program that has ended.
func (r *running) logged() string {
	select {
	case <-r.ended:
		return r.log.String()
	case <-time.After(patience):
		return "(it goes on)"
	}
}

// end sends a signal, and returns the exit code.
func (r *running) end(signals ...syscall.Signal) int {
	r.t.Helper()
	for _, s := range signals {
		require.NoError(r.t, r.Process.Signal(s))
	}
	select {
	case <-r.ended:
		return codeOf(r.t, r.err)
	case <-time.After(patience):
		r.t.Fatal("it does not end")
		return 0
	}
}

// objects returns the lines of JSON.
func objects(t *testing.T, text string) (all []map[string]any) {
	t.Helper()
	for line := range strings.Lines(text) {
		var one map[string]any
		require.NoError(t, json.Unmarshal([]byte(line), &one), line)
		all = append(all, one)
	}
	return all
}
