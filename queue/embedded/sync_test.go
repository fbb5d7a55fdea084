package embedded

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/queue"
)

// TestPublishersShareOneSync: those that publish during a sync are confirmed by the next one, and
// none before.
func TestPublishersShareOneSync(t *testing.T) {
	var blocked atomic.Bool
	var syncs, confirmed atomic.Int64
	entered, release := make(chan struct{}), make(chan struct{})
	b := newBroker(t, t.TempDir(), Config{fsync: func(f *os.File) error {
		syncs.Add(1)
		if blocked.CompareAndSwap(true, false) {
			close(entered)
			<-release
		}
		return f.Sync()
	}})
	q := b.Queue("jobs")
	require.NoError(t, q.Publish(t.Context(), queue.Message{}))
	blocked.Store(true)
	var all sync.WaitGroup
	publish := func() {
		if q.Publish(t.Context(), queue.Message{}) == nil {
			confirmed.Add(1)
		}
	}
	all.Go(publish)
	<-entered
	for range 99 {
		all.Go(publish)
	}
	tree := b.host.syncer.tree("jobs")
	eventually(t, func() error {
		tree.mu.Lock()
		defer tree.mu.Unlock()
		if tree.next == nil || tree.next.joined < 99 {
			return errors.New("not all wait")
		}
		return nil
	})
	require.Zero(t, confirmed.Load())
	before := syncs.Load()
	close(release)
	all.Wait()
	require.EqualValues(t, 100, confirmed.Load())
	require.LessOrEqual(t, syncs.Load()-before, int64(10), "of 99 messages: the files and directories of one stream")
}

// TestFailedSyncConfirmsNothing: after an fsync has failed, a later one may succeed although data
// was lost. So the server starts again with what is on the disk.
func TestFailedSyncConfirmsNothing(t *testing.T) {
	var failing atomic.Bool
	b := newBroker(t, t.TempDir(), Config{fsync: func(f *os.File) error {
		if failing.CompareAndSwap(true, false) {
			return &os.PathError{Op: "sync", Path: f.Name(), Err: syscall.EIO}
		}
		return f.Sync()
	}})
	q := b.Queue("jobs")
	require.NoError(t, q.Publish(t.Context(), queue.Message{}))
	before := b.host.current()
	failing.Store(true)
	err := q.Publish(t.Context(), queue.Message{})
	require.ErrorIs(t, err, ErrStorage)
	require.ErrorIs(t, err, syscall.EIO)
	eventually(t, func() error { return q.Publish(t.Context(), queue.Message{}) })
	require.NotSame(t, before, b.host.current())
}

// TestLastBlockIsTrustedOnlyWhileItIsLast: a next block, a replaced block and a change of the
// directory each need a look at all files.
func TestLastBlockIsTrustedOnlyWhileItIsLast(t *testing.T) {
	for name, change := range map[string]func(t *testing.T, dir string){
		"next block": func(t *testing.T, dir string) {
			t.Helper()
			require.NoError(t, os.WriteFile(filepath.Join(dir, "8.blk"), nil, 0o600))
		},
		"replaced": func(t *testing.T, dir string) {
			t.Helper()
			require.NoError(t, os.WriteFile(filepath.Join(dir, "7.new"), nil, 0o600))
			require.NoError(t, os.Rename(filepath.Join(dir, "7.new"), filepath.Join(dir, "7.blk")))
		},
		"removed": func(t *testing.T, dir string) {
			t.Helper()
			require.NoError(t, os.Remove(filepath.Join(dir, "7.blk")))
		},
		"another file": func(t *testing.T, dir string) {
			t.Helper()
			require.NoError(t, os.WriteFile(filepath.Join(dir, "3.blk"), nil, 0o600))
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for _, n := range []int{2, 7} {
				require.NoError(t, os.WriteFile(filepath.Join(dir, fmt.Sprint(n, ".blk")), nil, 0o600))
			}
			dirs, err := watch(dir)
			require.NoError(t, err)
			fresh, err := openLast(dirs, dirs[0].info.ModTime())
			require.NoError(t, err)
			require.False(t, fresh.alone(), "a directory that has just changed may change again at the same time")
			b, err := openLast(dirs, dirs[0].info.ModTime().Add(distinct))
			require.NoError(t, err)
			defer b.close()
			require.Equal(t, filepath.Join(dir, "7.blk"), b.path)
			require.True(t, b.alone())
			require.NoError(t, os.WriteFile(filepath.Join(dir, "7.blk"), []byte("more"), 0o600))
			require.True(t, b.alone())
			change(t, dir)
			require.False(t, b.alone())
		})
	}
}
