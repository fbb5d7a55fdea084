package embedded

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/nats"
)

func TestBadValuesAreNamed(t *testing.T) {
	for text, open := range map[string]func() (*Broker, error){
		"dir is empty": func() (*Broker, error) { return Open("") },
		"2 Configs":    func() (*Broker, error) { return Open(t.TempDir(), Config{}, Config{}) },
		"Config.Sync is every 1ms": func() (*Broker,
			error,
		) {
			return Open(t.TempDir(), Config{Sync: Every(time.Millisecond)})
		},
		"Config.Queues.Replicas is 3": func() (*Broker, error) {
			return Open(t.TempDir(), Config{Queues: nats.Config{Replicas: 3}})
		},
		"Config.Lease is -1ns": func() (*Broker, error) {
			return Open(t.TempDir(),
				Config{Queues: nats.Config{Lease: -1}})
		},
	} {
		t.Run(text, func(t *testing.T) {
			b, err := open()
			require.ErrorIs(t, err, queue.ErrConfig)
			require.ErrorContains(t, err, text)
			require.Nil(t, b)
		})
	}
}

// Every mistake is named at once, and nothing is made.
func TestAllBadValuesAreNamed(t *testing.T) {
	bad := Config{Sync: Every(0), Queues: nats.Config{Replicas: 3, Lease: -1}}
	_, err := Open("", bad)
	for _, part := range []string{"dir is empty", "Config.Sync is", "Config.Queues.Replicas", "Config.Lease"} {
		require.ErrorContains(t, err, part)
	}
	dir := filepath.Join(t.TempDir(), "data")
	_, err = Open(dir, bad)
	require.ErrorIs(t, err, queue.ErrConfig)
	require.NoDirExists(t, dir)
}

func TestDirectoryInUseIsRefusedUntilItIsFree(t *testing.T) {
	dir := t.TempDir()
	b := newBroker(t, dir, Config{})
	_, err := Open(dir)
	require.ErrorIs(t, err, ErrInUse)
	require.ErrorContains(t, err, "another broker of this process")
	require.NoError(t, b.Close())
	require.NoError(t, newBroker(t, dir, Config{}).Close())
}

func TestDirectoryThatCannotBeMadeOrWritten(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	_, err := Open(file)
	require.ErrorContains(t, err, "directory can't be made")
	_, err = Open(filepath.Join(file, "data"))
	require.ErrorContains(t, err, "directory can't be made")
}

func TestUnwritableDirectory(t *testing.T) {
	// No permission stops root, but no user can write to a file that is a directory.
	dir := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(dir, lockName), 0o700))
	_, err := Open(dir)
	require.ErrorContains(t, err, "must be writable")
}

func TestOpenReturnsTheServersReason(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "jetstream"), []byte("not a directory"), 0o600))
	b, err := Open(dir)
	require.ErrorContains(t, err, "JetStream")
	require.Nil(t, b)
	require.NoError(t, os.Remove(filepath.Join(dir, "jetstream")))
	newBroker(t, dir, Config{}) // the failure has left no lock behind
}

func TestReopenedDirectoryGoesOn(t *testing.T) {
	dir, ctx := t.TempDir(), soon(t)
	b := newBroker(t, dir, Config{Sync: Always})
	require.NoError(t, b.Queue("jobs").Publish(ctx, queue.Message{ID: "a"}, queue.Message{ID: "b"}))
	require.NoError(t, b.Close())

	b = newBroker(t, dir, Config{})
	s, err := b.Queue("jobs").Open(ctx, queue.Options{Prefetch: 2})
	require.NoError(t, err)
	for _, id := range []string{"a", "b"} {
		d, err := s.Receive(ctx)
		require.NoError(t, err)
		require.Equal(t, id, d.ID)
		require.Equal(t, 1, d.Attempt)
	}
	require.NoError(t, s.Close(ctx))
}

func TestClosedBrokerReturnsErrClosed(t *testing.T) {
	ctx := soon(t)
	b := newBroker(t, t.TempDir(), Config{})
	s, err := b.Queue("jobs").Open(ctx, queue.Options{Prefetch: 1})
	require.NoError(t, err)
	require.NoError(t, b.Close())
	require.NoError(t, b.Close())

	_, err = s.Receive(ctx)
	require.ErrorIs(t, err, queue.ErrSessionLost)
	require.NoError(t, s.Close(ctx))
	_, err = b.Queue("jobs").Open(ctx, queue.Options{Prefetch: 1})
	require.ErrorIs(t, err, queue.ErrClosed)
	require.ErrorIs(t, b.Queue("jobs").Publish(ctx, queue.Message{}), queue.ErrClosed)
}

func TestLogGoesWhereItIsAskedTo(t *testing.T) {
	var out lockedBuffer
	logger := slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}))
	require.NoError(t, newBroker(t, t.TempDir(), Config{Logger: logger}).Close())
	require.Contains(t, out.String(), "JetStream")
}

type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
