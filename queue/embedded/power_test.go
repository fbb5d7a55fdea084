package embedded

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/nats"
)

// disk is what a power cut leaves: of each file as much as was synced, and of each directory the
// entries that it had when it was synced.
type disk struct {
	links string // a directory of hard links, because files may be removed before the cut

	mu    sync.Mutex
	files []diskFile
	dirs  []diskDir
}

type diskFile struct {
	info os.FileInfo // as of its sync
	link string
}

type diskDir struct {
	info    os.FileInfo
	entries map[string]os.FileInfo
}

// fsync replaces that of the operating system.
func (d *disk) fsync(f *os.File) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if info.IsDir() {
		return d.syncDir(f.Name(), info)
	}
	for i, old := range d.files {
		if os.SameFile(old.info, info) {
			d.files[i].info = info
			return nil
		}
	}
	link := filepath.Join(d.links, fmt.Sprint(len(d.files)))
	err = os.Link(f.Name(), link)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // it was removed after it was opened
	}
	d.files = append(d.files, diskFile{info: info, link: link})
	return err
}

func (d *disk) syncDir(path string, info os.FileInfo) error {
	list, err := os.ReadDir(path)
	if err != nil {
		return err
	}
	entries := map[string]os.FileInfo{}
	for _, e := range list {
		if info, err := e.Info(); err == nil {
			entries[e.Name()] = info
		}
	}
	for i, old := range d.dirs {
		if os.SameFile(old.info, info) {
			d.dirs[i].entries = entries
			return nil
		}
	}
	d.dirs = append(d.dirs, diskDir{info: info, entries: entries})
	return nil
}

// cut writes what is left of dir. A file that was never synced is empty; or, if lucky, it has what
// it has now, as if the system had written it just before the cut.
func (d *disk) cut(t *testing.T, dir, to string, lucky bool) {
	t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	info, err := os.Stat(dir)
	require.NoError(t, err)
	d.restore(t, dir, to, info, lucky)
}

func (d *disk) restore(t *testing.T, from, to string, info os.FileInfo, lucky bool) {
	t.Helper()
	if !info.IsDir() {
		d.restoreFile(t, from, to, info, lucky)
		return
	}
	require.NoError(t, os.MkdirAll(to, 0o700))
	for _, dir := range d.dirs {
		if os.SameFile(dir.info, info) {
			for name, entry := range dir.entries {
				d.restore(t, filepath.Join(from, name), filepath.Join(to, name), entry, lucky)
			}
		}
	}
}

func (d *disk) restoreFile(t *testing.T, from, to string, info os.FileInfo, lucky bool) {
	t.Helper()
	for _, file := range d.files {
		if os.SameFile(file.info, info) {
			in, err := os.Open(file.link)
			require.NoError(t, err)
			defer func() { _ = in.Close() }()
			data, err := io.ReadAll(io.LimitReader(in, file.info.Size()))
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(to, data, 0o600))
			return
		}
	}
	var data []byte
	if lucky {
		data, _ = os.ReadFile(from) // it may have been removed
	}
	require.NoError(t, os.WriteFile(to, data, 0o600))
}

// ids are message ids that are added while others look.
type ids struct {
	mu  sync.Mutex
	set map[string]bool
}

func (s *ids) add(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.set == nil {
		s.set = map[string]bool{}
	}
	s.set[id] = true
}

func (s *ids) copy() map[string]bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := map[string]bool{}
	for id := range s.set {
		c[id] = true
	}
	return c
}

// traffic publishes, acknowledges and dead-letters until ctx ends. It calls confirmed after each
// confirm, and acked before each ack.
func traffic(ctx context.Context, q *nats.Queue, name string, confirmed, acked func(id string)) error {
	s, err := q.Open(ctx, queue.Options{Prefetch: 20})
	if err != nil {
		return err
	}
	var all sync.WaitGroup
	for p := range 8 {
		all.Go(func() {
			for i := 0; ; i++ {
				id := fmt.Sprintf("%s-%d-%d", name, p, i)
				if q.Publish(ctx, queue.Message{ID: id, Body: make([]byte, 500*p)}) != nil {
					return
				}
				confirmed(id)
			}
		})
	}
	for i := 0; ; i++ {
		d, err := s.Receive(ctx)
		if err != nil {
			break
		}
		one := queue.Settlement{Delivery: d, Disposition: queue.Ack}
		switch i % 3 {
		case 0:
			acked(d.ID)
		case 1:
			one.Disposition = queue.DeadLetter
		case 2:
			one.Disposition = queue.Release
		}
		if s.Settle(ctx, []queue.Settlement{one}) != nil {
			break
		}
	}
	all.Wait()
	return s.Close(context.WithoutCancel(ctx))
}

// lost returns the messages that were confirmed and not acknowledged, and are neither in the queue
// nor among its dead letters.
func lost(t *testing.T, b *Broker, confirmed, acked map[string]bool) []string {
	t.Helper()
	missing := map[string]bool{}
	for id := range confirmed {
		if !acked[id] {
			missing[id] = true
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	q := b.Queue("jobs")
	s, err := q.Open(ctx, queue.Options{Prefetch: 1000})
	require.NoError(t, err)
	letters, err := q.DeadLetters(ctx, 1<<20)
	require.NoError(t, err)
	for _, m := range letters {
		delete(missing, m.ID)
	}
	for len(missing) > 0 {
		quiet, cancel := context.WithTimeout(ctx, 5*time.Second) // much longer than the lease
		d, err := s.Receive(quiet)
		cancel()
		if err != nil {
			break
		}
		delete(missing, d.ID)
		_ = s.Settle(ctx, []queue.Settlement{{Delivery: d, Disposition: queue.Ack}})
	}
	require.NoError(t, s.Close(t.Context()))
	var names []string
	for id := range missing {
		names = append(names, id)
	}
	return names
}

var powerConfig = Config{Queues: nats.Config{Lease: time.Second}}

// powerCuts cuts the power several times during the same traffic, and returns what was lost.
func powerCuts(t *testing.T, sync Sync, cuts int) (names []string) {
	t.Helper()
	d := &disk{links: t.TempDir()}
	cfg := powerConfig
	cfg.Sync, cfg.fsync = sync, d.fsync
	dir := filepath.Join(t.TempDir(), "data")
	b := newBroker(t, dir, cfg)
	var confirmed, acked ids
	for i := range cuts {
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- traffic(ctx, b.Queue("jobs"), fmt.Sprint(i), confirmed.add, acked.add) }()
		enough := (i + 1) * 300
		eventually(t, func() error {
			if n := len(confirmed.copy()); n < enough {
				return fmt.Errorf("%d of %d confirmed", n, enough)
			}
			return nil
		})
		before := confirmed.copy()
		left := filepath.Join(t.TempDir(), fmt.Sprint(i))
		d.cut(t, dir, left, i%2 == 0)
		after := acked.copy()
		stop()
		require.NoError(t, <-done)
		next := newBroker(t, left, powerConfig)
		names = append(names, lost(t, next, before, after)...)
		require.NoError(t, next.Close())
	}
	return names
}

// TestPowerCut: with Always, what was not synced is of no importance.
func TestPowerCut(t *testing.T) {
	require.Empty(t, powerCuts(t, Always, 6))
}

// TestPowerCutCosts shows that powerCuts finds losses.
func TestPowerCutCosts(t *testing.T) {
	require.NotEmpty(t, powerCuts(t, Every(time.Hour), 1))
}
