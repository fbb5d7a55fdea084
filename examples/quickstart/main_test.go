package main

import (
	"bufio"
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/queue/embedded"
)

func TestEveryJobIsAcknowledged(t *testing.T) {
	var out strings.Builder
	require.NoError(t, run(within(t, time.Minute), []string{"-dir", t.TempDir(), "-jobs", "20"}, &out))
	require.Equal(t, 20, row(t, out.String(), "acked"))
	require.Equal(t, row(t, out.String(), "panics"), row(t, out.String(), "requeues"))
	require.Zero(t, row(t, out.String(), "supervisor restarts"))
}

// A process that is killed in the middle loses nothing: the next one goes on with what was left.
// A job that it had acknowledged may be done twice, but is never lost.
func TestKilledAndStartedAgainItGoesOn(t *testing.T) {
	program := filepath.Join(t.TempDir(), "quickstart")
	require.NoError(t, exec.CommandContext(t.Context(), "go", "build", "-o", program, ".").Run())
	dir := t.TempDir()

	first := exec.CommandContext(within(t, time.Minute), program, "-dir", dir, "-jobs", "60")
	progress, err := first.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, first.Start())
	lines := bufio.NewScanner(progress)
	for lines.Scan() && !strings.Contains(lines.Text(), "to go") {
	}
	require.NoError(t, first.Process.Kill())
	acked, _ := strconv.Atoi(regexp.MustCompile(`^\s*(\d+) acked`).FindStringSubmatch(lines.Text())[1])
	require.Positive(t, acked)
	_ = first.Wait() // it was killed

	second, err := exec.CommandContext(within(t, time.Minute), program, "-dir", dir, "-jobs", "60").CombinedOutput()
	require.NoError(t, err, string(second))
	require.Contains(t, string(second), "left by an earlier run")
	require.GreaterOrEqual(t, row(t, string(second), "acked")+acked, 60-5, "at most those that ran were acknowledged between two lines")

	broker, err := embedded.Open(dir)
	require.NoError(t, err)
	defer func() { require.NoError(t, broker.Close()) }()
	left, err := broker.Queue("jobs").Inspect(t.Context())
	require.NoError(t, err)
	require.Zero(t, left.Ready+left.Held)
	require.Zero(t, left.DeadLettered)
}

// The first signal drains, and a job that takes long is waited for; a second one ends the process
// at once.
func TestASecondSignalEndsTheProcess(t *testing.T) {
	program := filepath.Join(t.TempDir(), "quickstart")
	require.NoError(t, exec.CommandContext(t.Context(), "go", "build", "-o", program, ".").Run())
	for _, sent := range []os.Signal{syscall.SIGTERM, os.Interrupt} {
		process := exec.CommandContext(within(t, time.Minute), program, "-dir", t.TempDir(), "-jobs", "5", "-work", "10m")
		progress, err := process.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, process.Start())
		lines := bufio.NewScanner(progress)
		for lines.Scan() && !strings.Contains(lines.Text(), "to go") {
		}
		ended := make(chan struct{})
		go func() {
			_ = process.Wait() // how is asked of ProcessState
			close(ended)
		}()
		require.NoError(t, process.Process.Signal(sent))
		select {
		case <-ended:
			t.Fatalf("did not drain: %v", process.ProcessState)
		case <-time.After(time.Second):
		}
		require.NoError(t, process.Process.Signal(sent))
		select {
		case <-ended:
		case <-time.After(3 * time.Second):
			t.Fatalf("a second %v was swallowed", sent)
		}
		require.Equal(t, sent, process.ProcessState.Sys().(syscall.WaitStatus).Signal())
	}
}

func TestMistakesAreNamedAndLoseNothing(t *testing.T) {
	dir := t.TempDir()
	require.ErrorIs(t, run(t.Context(), []string{"-dir", dir, "-prefetch", "-3"}, &bytes.Buffer{}), gentask.ErrConfig)
	require.ErrorContains(t, run(t.Context(), []string{"-dir", dir, "-jobs", "-3"}, &bytes.Buffer{}), "jobs is -3")

	broker, err := embedded.Open(dir)
	require.NoError(t, err)
	require.ErrorIs(t, run(t.Context(), []string{"-dir", dir}, &bytes.Buffer{}), embedded.ErrInUse)
	require.NoError(t, broker.Close())
}

func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), d)
	t.Cleanup(cancel)
	return ctx
}

// row reads a number from the table at the end.
func row(t *testing.T, out, name string) int {
	t.Helper()
	match := regexp.MustCompile(`(?m)^` + name + ` +(\d+)$`).FindStringSubmatch(out)
	require.NotNil(t, match, out)
	n, err := strconv.Atoi(match[1])
	require.NoError(t, err)
	return n
}
