//go:build linux || darwin

package embedded

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/queue"
)

// alone reports whether this process was started to run the test alone. Otherwise it starts that
// process, and fails the test with its output if it fails.
func alone(t *testing.T, prepare func(*exec.Cmd)) bool {
	t.Helper()
	const mark = "GENTASK_TEST_EMBEDDED_ALONE"
	if os.Getenv(mark) != "" {
		return true
	}
	cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.timeout=2m")
	cmd.Env = append(os.Environ(), mark+"=1")
	prepare(cmd)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Contains(t, string(out), "PASS")
	return false
}

// consumer is a consumer that notes what it gets. Its jobs wait while gate is locked.
type consumer struct {
	*gentask.Consumer
	gate sync.RWMutex

	mu   sync.Mutex
	seen map[string]bool
}

func startConsumer(t *testing.T, q queue.Source) *consumer {
	t.Helper()
	c := &consumer{seen: map[string]bool{}}
	work := gentask.Handle(func(_ context.Context, id string) error {
		c.gate.RLock()
		defer c.gate.RUnlock()
		c.mu.Lock()
		defer c.mu.Unlock()
		c.seen[id] = true
		return nil
	})
	var err error
	c.Consumer, err = gentask.New(q, work, gentask.Config{
		Concurrency: 4,
		Decode: func(m *queue.Message, into any) error {
			*into.(*string) = m.ID
			return nil
		},
	})
	require.NoError(t, err)
	require.NoError(t, c.Start())
	t.Cleanup(func() { _, _ = c.Stop(soon(t)) })
	return c
}

// missing returns an error that names a message that was confirmed and did not come.
func (c *consumer) missing(confirmed map[string]bool) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for id := range confirmed {
		if !c.seen[id] {
			return errors.New("message " + id + " is lost")
		}
	}
	return nil
}

// TestFullDisk: on the limit of a file's size, which needs no rights, as on a full disk. Publishes
// fail at once, by name; the consumer's health shows it; and once there is room, the broker and the
// consumer go on by themselves, with every message that was confirmed.
func TestFullDisk(t *testing.T) {
	if !alone(t, func(*exec.Cmd) {}) {
		return
	}
	dir := t.TempDir()
	var before syscall.Rlimit
	require.NoError(t, syscall.Getrlimit(syscall.RLIMIT_FSIZE, &before))
	limit := func(most uint64) {
		require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: most, Max: before.Max}))
	}
	fullDisk(t, dir, syscall.EFBIG, func() { limit(512 << 10) }, func() { limit(before.Cur) })
}

// fullDisk runs the scenario. After fill, the disk has no room for many messages more.
func fullDisk(t *testing.T, dir string, reason error, fill, free func()) {
	t.Helper()
	b := newBroker(t, dir, Config{})
	q := b.Queue("jobs")
	confirmed := map[string]bool{}
	publish := func() error {
		id := strconv.Itoa(len(confirmed))
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		err := q.Publish(ctx, queue.Message{ID: id, Body: make([]byte, 32<<10)})
		if err == nil {
			confirmed[id] = true
		}
		return err
	}
	require.NoError(t, publish())
	c := startConsumer(t, q)
	eventually(t, func() error { return c.missing(confirmed) })
	for range 3 { // each time again
		c.gate.Lock() // settled messages would make room
		fill()
		var err error
		for err == nil {
			err = publish()
		}
		start := time.Now()
		for range 20 {
			err := publish()
			require.ErrorIs(t, err, ErrStorage)
			require.ErrorIs(t, err, queue.ErrUnavailable)
			require.ErrorIs(t, err, reason)
		}
		require.ErrorIs(t, err, ErrStorage, "the publish that met the full disk")
		require.Less(t, time.Since(start), 5*time.Second, "20 publishes must fail at once")
		require.ErrorIs(t, b.Err(), ErrStorage)
		_, err = q.Open(t.Context(), queue.Options{Prefetch: 1})
		require.ErrorIs(t, err, ErrStorage)
		eventually(t, func() error {
			if h := c.Health(); h.Healthy() || !errors.Is(h.Error, ErrStorage) {
				return errors.New("health does not show it")
			}
			return nil
		})
		free()
		c.gate.Unlock()
		eventually(t, publish)
		require.NoError(t, b.Err())
		eventually(t, func() error { return c.missing(confirmed) })
		eventually(t, func() error { return c.Health().Error })
		require.True(t, c.Health().Healthy())
	}
	require.FileExists(t, filepath.Join(dir, lockName))
}

// TestRemovedDirectory: a file that was removed takes writes as before. No message is confirmed
// that is gone, no second broker opens a new directory at the same path, and the same directory,
// when it is back, is used again.
func TestRemovedDirectory(t *testing.T) {
	for _, sync := range []Sync{Always, Every(time.Second)} {
		t.Run(sync.String(), func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "data")
			b := newBroker(t, dir, Config{Sync: sync})
			q := b.Queue("jobs")
			require.NoError(t, q.Publish(t.Context(), queue.Message{ID: "first"}))
			c := startConsumer(t, q)
			eventually(t, func() error { return c.missing(map[string]bool{"first": true}) })

			require.NoError(t, os.Rename(dir, dir+"-moved"))
			for range 40 {
				err := q.Publish(t.Context(), queue.Message{})
				require.ErrorIs(t, err, ErrRemoved)
				require.ErrorIs(t, err, ErrStorage)
			}
			_, err := Open(dir)
			require.ErrorIs(t, err, ErrInUse)
			eventually(t, func() error {
				if !errors.Is(c.Health().Error, ErrRemoved) {
					return errors.New("health does not show it")
				}
				return nil
			})
			require.NoError(t, os.RemoveAll(dir)) // Open may have made it
			require.NoError(t, os.Rename(dir+"-moved", dir))
			eventually(t, func() error { return q.Publish(t.Context(), queue.Message{ID: "second"}) })
			eventually(t, func() error { return c.missing(map[string]bool{"second": true}) })

			eventually(t, func() error { return os.RemoveAll(dir) }) // while files are made
			require.ErrorIs(t, q.Publish(t.Context(), queue.Message{}), ErrRemoved)
			require.NoError(t, os.Mkdir(dir, 0o700))
			eventually(t, func() error {
				if !errors.Is(b.Err(), ErrRemoved) {
					return errors.New("it uses another directory")
				}
				return nil
			})
			require.NoError(t, b.Close())
			next := newBroker(t, dir, Config{})
			require.NoError(t, next.Queue("jobs").Publish(t.Context(), queue.Message{}))
		})
	}
}

// TestRemovedFiles: the lock file is still there, but the streams are not.
func TestRemovedFiles(t *testing.T) {
	for _, sync := range []Sync{Always, Every(time.Second)} {
		t.Run(sync.String(), func(t *testing.T) {
			dir := t.TempDir()
			q := newBroker(t, dir, Config{Sync: sync}).Queue("jobs")
			require.NoError(t, q.Publish(t.Context(), queue.Message{}))
			require.NoError(t, os.RemoveAll(filepath.Join(dir, "jetstream")))
			require.ErrorIs(t, q.Publish(t.Context(), queue.Message{}), ErrStorage)
			eventually(t, func() error { return q.Publish(t.Context(), queue.Message{ID: "kept"}) })
			stats, err := q.Inspect(t.Context())
			require.NoError(t, err)
			require.Equal(t, 1, stats.Ready)
		})
	}
}
