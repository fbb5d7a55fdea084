//go:build linux

package isolate

import (
	"log/slog"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestWarden_Frozen: a warden that does not read delays no child. It is replaced, and the new one
// watches all groups.
func TestWarden_Frozen(t *testing.T) {
	w := newWarden(slog.New(slog.DiscardHandler))
	defer w.end()
	first := awaitWarden(t, w, 0)
	require.NoError(t, syscall.Kill(first, syscall.SIGSTOP))
	begin := time.Now()
	for group := 1 << 30; group < 1<<30+20_000; group++ { // more than its pipe holds; no such groups exist
		w.know(group, "")
		w.forget(group)
	}
	require.Less(t, time.Since(begin), 10*time.Second)
	second := awaitWarden(t, w, first)
	require.NotEqual(t, first, second)
	require.NoError(t, syscall.Kill(second, syscall.SIGSTOP)) // and the end does not wait for it
}

// awaitWarden returns the number of the warden's process, when it is another one than before.
func awaitWarden(t *testing.T, w *warden, before int) (pid int) {
	t.Helper()
	require.Eventually(t, func() bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.pipe == nil || w.proc.Pid == before {
			return false
		}
		pid = w.proc.Pid
		return true
	}, 10*time.Second, time.Millisecond)
	return pid
}
