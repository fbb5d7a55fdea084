package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// lines returns those of a file that programs append to.
func lines(t *testing.T, path string) []string {
	t.Helper()
	data, err := os.ReadFile(path)
	if os.IsNotExist(err) {
		return nil
	}
	require.NoError(t, err)
	return strings.Fields(string(data))
}

// lives reports whether a process is there and is not dead.
func lives(pid string) bool {
	stat, err := os.ReadFile("/proc/" + pid + "/stat")
	if err != nil {
		return false
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	return !strings.HasPrefix(rest, "Z")
}

// gone waits until no process of a list lives.
func gone(t *testing.T, pids []string) {
	t.Helper()
	require.NotEmpty(t, pids)
	require.Eventually(t, func() bool { return !slices.ContainsFunc(pids, lives) }, patience, 10*time.Millisecond)
}

// TestRun_Killed: gentask is killed in the middle, and one of the programs kills itself. No program
// is left, and in the end each message is done.
func TestRun_Killed(t *testing.T) {
	everywhere(t, func(t *testing.T, p place) {
		const messages = 40
		dir := t.TempDir()
		pids, done := filepath.Join(dir, "pids"), filepath.Join(dir, "done")
		script := fmt.Sprintf(`echo $$ >>%[1]q; n=$(cat)
			if [ "$n" = 7 ] && [ "$GENTASK_ATTEMPT" = 1 ]; then kill -9 $$; fi
			sleep 0.1 & echo $! >>%[1]q; wait; echo "$n" >>%[2]q`, pids, done)
		args := p.args("run", p.queue, "--concurrency", "4", "--backoff", "50ms", "--attempts", "50", "--", "sh", "-c", script)
		var body strings.Builder
		for i := range messages {
			fmt.Fprintln(&body, i)
		}
		p.must(t, body.String(), "publish", p.queue, "--lines", "--create")
		for range 2 {
			run, before := start(t, args...), len(lines(t, done))
			require.Eventually(t, func() bool { return len(lines(t, done)) >= before+5 }, patience, 5*time.Millisecond)
			require.Equal(t, -1, run.end(syscall.SIGKILL))
			gone(t, lines(t, pids))
		}
		run := start(t, args...)
		require.Eventually(t, func() bool {
			all := lines(t, done)
			slices.Sort(all)
			return len(slices.Compact(all)) == messages
		}, patience, 20*time.Millisecond, "%v", run.log)
		require.Zero(t, run.end(syscall.SIGINT))
		gone(t, lines(t, pids))
	})
}

// TestRun_Signals: the first one lets the program finish, and the second one ends it, at the cost
// of no attempt.
func TestRun_Signals(t *testing.T) {
	p := atDirectory(t, place{queue: "emails", fleet: "cli"})
	dir := t.TempDir()
	begun, release := filepath.Join(dir, "begun"), filepath.Join(dir, "release")
	script := fmt.Sprintf(`echo $GENTASK_ATTEMPT $$ >>%q; trap "" TERM; while [ ! -e %q ]; do sleep 0.02; done`, begun, release)
	args := p.args("run", p.queue, "--grace", "500ms", "--", "sh", "-c", script)
	p.must(t, "x", "publish", p.queue, "--create")
	wait := func(n int) []string {
		require.Eventually(t, func() bool { return len(lines(t, begun)) == 2*n }, patience, 10*time.Millisecond)
		return lines(t, begun)
	}

	run := start(t, args...)
	pid := wait(1)[1]
	require.NoError(t, run.Process.Signal(syscall.SIGINT))
	select {
	case <-run.ended:
		t.Fatal("it did not let the program finish")
	case <-time.After(300 * time.Millisecond):
	}
	require.Zero(t, run.end(syscall.SIGINT), "%s", run.log)
	gone(t, []string{pid})

	run = start(t, args...)
	require.Equal(t, "1", wait(2)[2], "an attempt was lost")
	require.NoError(t, run.Process.Signal(syscall.SIGTERM))
	require.NoError(t, os.WriteFile(release, nil, 0o600))
	require.Contains(t, run.line(), "\tack\t1\t")
	require.Zero(t, run.end(), "%s", run.log)
	p.ready(t, 0)
}

// TestRun_Timeout ends a program with all that it has started, also one that does not listen.
func TestRun_Timeout(t *testing.T) {
	p := atDirectory(t, place{queue: "emails", fleet: "cli"})
	pids := filepath.Join(t.TempDir(), "pids")
	p.must(t, "x", "publish", p.queue, "--create")
	run := start(t, p.args("run", p.queue, "--json", "--timeout", "200ms", "--grace", "600ms", "--attempts", "1", "--",
		"sh", "-c", fmt.Sprintf(`trap "" TERM; (trap "" TERM; exec sleep 100) & echo $$ $! >>%q; wait; sleep 100`, pids))...)
	one := objects(t, run.line())[0]
	require.Equal(t, "dead letter", one["became"], one)
	gone(t, lines(t, pids))
	require.Zero(t, run.end(syscall.SIGINT))
}

// TestRun_ExitCodes decide, and the log has no passwords and no bodies.
func TestRun_ExitCodes(t *testing.T) {
	p := atDirectory(t, place{queue: "emails", fleet: "cli"})
	p.must(t, "0\n65\n75\n3\n", "publish", p.queue, "--create", "--lines")
	run := start(t, p.args("run", p.queue, "--json", "--backoff", "20ms", "--attempts", "2", "--", "sh", "-c", "exit $(cat)")...)
	became := map[string]int{}
	for range 6 {
		became[fmt.Sprint(objects(t, run.line())[0]["became"])]++
	}
	require.Equal(t, map[string]int{"ack": 1, "dead letter": 3, "requeue": 2}, became)
	require.Zero(t, run.end(syscall.SIGINT))
}
