package isolate_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// openFiles returns the files that this process has open, each kind with how many there are.
func openFiles(t *testing.T) map[string]int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	require.NoError(t, err)
	files := map[string]int{}
	for _, e := range entries {
		target, _ := os.Readlink("/proc/self/fd/" + e.Name()) // gone: that of ReadDir itself
		if target == fmt.Sprintf("/proc/%d/stat", os.Getpid()) {
			continue // the NATS server, which is part of this program, reads it once a second
		}
		kind, _, _ := strings.Cut(target, ":[")
		files[kind]++
	}
	return files
}

// runVariable is in the environment of all that this run of the tests has started.
const runVariable = "ISOLATE_TEST_RUN"

// requireNoChildren fails if this process has a child, or a process like a test's own lives on.
func requireNoChildren(t *testing.T) {
	t.Helper()
	require.Empty(t, childrenOf(os.Getpid()))
	for _, pid := range allProcesses() {
		line, _ := os.ReadFile(fmt.Sprintf("/proc/%s/cmdline", pid))
		env, _ := os.ReadFile(fmt.Sprintf("/proc/%s/environ", pid))
		if strings.Contains(string(env), runVariable+"="+os.Getenv(runVariable)+"\x00") {
			require.NotRegexp(t, "^sleep\x00100", string(line), "process %s", pid)
		}
	}
}

func allProcesses() []string {
	entries, _ := os.ReadDir("/proc")
	var pids []string
	for _, e := range entries {
		if n := e.Name(); n[0] >= '1' && n[0] <= '9' {
			pids = append(pids, n)
		}
	}
	return pids
}

// childrenOf returns the children of a process that are not dead.
func childrenOf(parent int) []string {
	var found []string
	for _, pid := range allProcesses() {
		stat, _ := os.ReadFile(fmt.Sprintf("/proc/%s/stat", pid))
		_, rest, _ := strings.Cut(string(stat), ") ")
		fields := strings.Fields(rest)
		if len(fields) > 1 && fields[1] == fmt.Sprint(parent) && fields[0] != "Z" {
			found = append(found, pid)
		}
	}
	return found
}
