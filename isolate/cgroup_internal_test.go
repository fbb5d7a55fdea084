//go:build linux

package isolate

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// fakeLeaf returns a directory with the files of a cgroup.
func fakeLeaf(t *testing.T, files map[string]string) leaf {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	return leaf(dir)
}

// TestLeaf_Limit: the limits of a Config are written to the files that the kernel has for them. One
// that has no file is an error, but for that of swap.
func TestLeaf_Limit(t *testing.T) {
	cfg := Config{Memory: 64 << 20, Processes: 33}
	l := fakeLeaf(t, map[string]string{"memory.max": "", "memory.oom.group": "", "memory.swap.max": "", "pids.max": ""})
	require.NoError(t, l.limit(cfg))
	for name, want := range map[string]string{
		"memory.max": "67108864", "memory.oom.group": "1", "memory.swap.max": "0", "pids.max": "33",
	} {
		got, err := os.ReadFile(l.file(name))
		require.NoError(t, err)
		require.Equal(t, want, string(got), name)
	}
	require.NoError(t, os.Remove(l.file("memory.swap.max")))
	require.NoError(t, l.limit(cfg))
	require.NoError(t, os.Remove(l.file("pids.max")))
	require.ErrorIs(t, l.limit(cfg), os.ErrNotExist)
	require.NoError(t, fakeLeaf(t, nil).limit(Config{}))
}

// TestLeaf_Excess: a child was killed for its memory if the kernel has counted that.
func TestLeaf_Excess(t *testing.T) {
	const killed, not = "low 0\nhigh 0\nmax 7\noom 1\noom_kill 3\n", "low 0\nmax 7\noom 1\noom_kill 0\noom_group_kill 0\n"
	require.ErrorIs(t, fakeLeaf(t, map[string]string{"memory.events": killed}).excess(1<<20), ErrMemory)
	require.NoError(t, fakeLeaf(t, map[string]string{"memory.events": not}).excess(1<<20))
	require.NoError(t, fakeLeaf(t, map[string]string{"memory.events": killed}).excess(0))
	require.NoError(t, fakeLeaf(t, nil).excess(1<<20))
	require.NoError(t, leaf("").excess(1<<20))
}

// TestEnable: a controller must be there, and is passed on once.
func TestEnable(t *testing.T) {
	l := fakeLeaf(t, map[string]string{"cgroup.controllers": "cpu memory\n", "cgroup.subtree_control": "cpu\n"})
	require.ErrorContains(t, Config{Processes: 33}.enable(string(l)), `has no controller "pids"`)
	require.NoError(t, Config{Memory: 1}.enable(string(l)))
	got, err := os.ReadFile(l.file("cgroup.subtree_control"))
	require.NoError(t, err)
	require.Equal(t, "+memory", string(got[:7])) // the kernel would add it
	require.NoError(t, os.WriteFile(l.file("cgroup.subtree_control"), []byte("memory"), 0o400))
	require.NoError(t, Config{Memory: 1}.enable(string(l)))
	got, err = os.ReadFile(l.file("cgroup.subtree_control"))
	require.NoError(t, err)
	require.Equal(t, "memory", string(got))
}

// TestOwnCgroup: the directory of this process's cgroup is one that this process is in. Without
// cgroup v2 the error says so.
func TestOwnCgroup(t *testing.T) {
	dir, err := ownCgroup()
	if err != nil {
		require.ErrorContains(t, err, "no cgroup of version 2")
		return
	}
	procs, err := os.ReadFile(filepath.Join(dir, "cgroup.procs"))
	require.NoError(t, err)
	require.Contains(t, strings.Fields(string(procs)), strconv.Itoa(os.Getpid()))
}

// TestFailedIdle: a child that has served nothing has failed if it died by itself or by its size,
// and not if the parent had another reason to kill it.
func TestFailedIdle(t *testing.T) {
	for why, want := range map[error]bool{nil: true, fmt.Errorf("%w: 9 MiB", ErrMemory): true, ErrProtocol: false} {
		require.Equal(t, want, (&process{why: why}).failedIdle(), why)
		require.False(t, (&process{why: why, last: 1}).failedIdle(), why)
		require.False(t, (&process{why: why, served: 1, last: 1}).failedIdle(), why)
	}
}

// TestOverlay: a variable is there once, with the new value.
func TestOverlay(t *testing.T) {
	old := []string{"A=1", "B=2", "AB=3", "A=4", "odd"}
	require.Equal(t, []string{"B=2", "AB=3", "odd", "A=5", "C=6"}, overlay(old, "A=5", "C=6"))
	require.Equal(t, []string{"A=1", "B=2", "AB=3", "A=4", "odd"}, old)
}
