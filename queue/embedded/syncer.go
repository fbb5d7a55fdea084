package embedded

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"
)

// syncer makes the streams of a directory durable. The server can sync each message by itself, but
// only one after the other. An fsync by way of any descriptor covers everything that was written to
// the file before, so one is enough for all messages that wait for it.
type syncer struct {
	lock  *lock
	root  string // the directory of the streams
	fsync func(*os.File) error

	rounds sync.WaitGroup

	mu    sync.Mutex
	trees map[string]*tree
}

func newSyncer(dir string, fsync func(*os.File) error, l *lock) *syncer {
	if fsync == nil {
		fsync = (*os.File).Sync
	}
	return &syncer{lock: l, root: streamsDir(dir), fsync: fsync, trees: map[string]*tree{}}
}

// tree is the directory of one stream.
type tree struct {
	syncer *syncer
	path   string

	mu      sync.Mutex
	running bool          // rounds run
	dirty   bool          // messages were stored since the last flush
	next    *round        // waits for the one that runs
	missing int           // how many the next round waits for
	all     chan struct{} // closed when none is missing

	// The rest is only used by the round that runs.
	synced map[string]os.FileInfo // by path, as last synced
	last   lastBlock
	took   time.Duration // of the last sync
	hasty  int           // how many rounds do not wait
}

// round is one sync, and those who wait for it.
type round struct {
	joined int // guarded by the tree's mu
	done   chan struct{}
	err    error // set before done is closed
}

func (s *syncer) tree(stream string) *tree {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.trees[stream]
	if t == nil {
		t = &tree{syncer: s, path: filepath.Join(s.root, stream)}
		s.trees[stream] = t
	}
	return t
}

// note records that messages were written, for the next flush.
func (t *tree) note() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.dirty = true
}

// there returns an error if the stream's directory is not there.
func (t *tree) there() error {
	_, err := os.Stat(filepath.Join(t.path, "msgs"))
	return err
}

// commit returns when everything that was written to the stream before is durable.
func (t *tree) commit(ctx context.Context) error {
	t.mu.Lock()
	r := t.join()
	t.mu.Unlock()
	select {
	case <-r.done:
		return r.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// join returns the round that starts next. The tree's mu must be held.
func (t *tree) join() *round {
	if t.next == nil {
		t.next = &round{done: make(chan struct{})}
	}
	if !t.running {
		t.running = true
		t.syncer.rounds.Go(t.run)
	}
	t.next.joined++
	if t.missing > 0 {
		if t.missing--; t.missing == 0 {
			close(t.all)
		}
	}
	return t.next
}

// run runs rounds as long as somebody waits.
func (t *tree) run() {
	released := 0
	for {
		t.gather(released)
		t.mu.Lock()
		r := t.next
		t.next = nil
		t.running = r != nil
		t.mu.Unlock()
		if r == nil {
			return
		}
		start := time.Now()
		r.err = t.sync()
		t.took = time.Since(start)
		released = r.joined
		close(r.done)
	}
}

const (
	// longestGather bounds the wait of a round for others.
	longestGather = 5 * time.Millisecond

	// gatherAgain is the number of rounds that do not wait, after one that did so in vain.
	gatherAgain = 3
)

// gather makes a round wait for the publishers of the last one, which usually publish again, at
// most for as long as a sync takes. Otherwise, half of the publishers would wait for each sync, and
// as many for the next. A lone publisher never waits.
func (t *tree) gather(released int) {
	if released < 2 {
		return
	}
	if t.hasty > 0 {
		t.hasty--
		return
	}
	t.mu.Lock()
	t.missing, t.all = released, make(chan struct{})
	all := t.all
	t.mu.Unlock()
	patience := time.NewTimer(min(t.took, longestGather))
	defer patience.Stop()
	select {
	case <-all:
		return
	case <-patience.C:
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.missing > released*3/4 {
		t.hasty = gatherAgain
	}
	t.missing = 0
}

// flush syncs all streams in which messages were stored since the last flush.
func (s *syncer) flush() error {
	s.mu.Lock()
	var waiting []*round
	for _, t := range s.trees {
		t.mu.Lock()
		dirty := t.dirty
		t.dirty = false
		if dirty {
			waiting = append(waiting, t.join())
		}
		t.mu.Unlock()
	}
	s.mu.Unlock()
	var errs []error
	for _, r := range waiting {
		<-r.done
		errs = append(errs, r.err)
	}
	return errors.Join(errs...)
}

// close waits for the rounds that run, and closes the files.
func (s *syncer) close() {
	s.rounds.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range s.trees {
		t.last.close()
	}
}

// sync makes the stream durable. Usually only the last block has grown.
func (t *tree) sync() error {
	if err := t.syncer.lock.held(); err != nil {
		return err
	}
	if t.last.alone() {
		return t.syncer.fsync(t.last.file)
	}
	t.last.close()
	begun := time.Now()
	watched, err := watch(filepath.Join(t.path, "msgs"), filepath.Join(t.path, "obs"))
	if err != nil {
		return err
	}
	if err := t.syncAll(); err != nil {
		return err
	}
	last, err := openLast(watched, begun)
	if _, synced := t.synced[last.path]; synced {
		t.last = last
	} else {
		last.close() // it is newer
	}
	return err
}

// syncAll syncs the files that have changed since the last sync, and then the directories with new
// entries, from the bottom up. A rewritten file counts as new. A removed one is no reason for a
// sync, because its messages were settled.
func (t *tree) syncAll() error {
	before, now := t.synced, map[string]os.FileInfo{}
	info, err := os.Stat(t.path)
	if err != nil {
		return err
	}
	if err := t.syncDir(t.path, now); err != nil {
		return err
	}
	now[t.path] = info
	if old := before[t.path]; old == nil || !os.SameFile(old, info) {
		if err := t.syncer.syncAbove(); err != nil {
			return err
		}
	}
	t.synced = now
	return nil
}

func (t *tree) syncDir(dir string, now map[string]os.FileInfo) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	changed := false
	for _, e := range entries {
		if ignored(e.Name()) {
			continue
		}
		path := filepath.Join(dir, e.Name())
		err := t.syncEntry(path, e, now)
		if errors.Is(err, fs.ErrNotExist) {
			continue // removed meanwhile
		}
		if err != nil {
			return err
		}
		old := t.synced[path]
		changed = changed || old == nil || !os.SameFile(old, now[path])
	}
	if changed {
		return t.syncer.syncEntries(dir)
	}
	return nil
}

// ignored reports whether a file is not needed after a power cut. The server rebuilds its index,
// and the state of a consumer only spares redeliveries.
func ignored(name string) bool {
	return name == "index.db" || name == "o.dat" || strings.HasPrefix(name, "_test_") ||
		strings.HasSuffix(name, ".tmp") || strings.HasSuffix(name, ".new")
}

func (t *tree) syncEntry(path string, e fs.DirEntry, now map[string]os.FileInfo) error {
	info, err := e.Info()
	if err != nil {
		return err
	}
	if e.IsDir() {
		now[path] = info
		return t.syncDir(path, now)
	}
	if old := t.synced[path]; old != nil && unchanged(old, info) {
		now[path] = info
		return nil
	}
	info, err = t.syncer.syncFile(path)
	if err == nil {
		now[path] = info
	}
	return err
}

// unchanged reports whether a file has the contents that it had. The server only appends to it.
func unchanged(old, now os.FileInfo) bool {
	return old.Size() == now.Size() && old.ModTime().Equal(now.ModTime()) && os.SameFile(old, now)
}

// syncAbove syncs the directories above a new stream, up to the one that has the broker's.
func (s *syncer) syncAbove() error {
	for dir, levels := s.root, 0; levels < levelsAbove; dir, levels = filepath.Dir(dir), levels+1 {
		err := s.syncEntries(dir)
		if err != nil && (levels < levelsAbove-1 || !errors.Is(err, fs.ErrPermission)) {
			return err
		}
	}
	return nil
}

// levelsAbove is the number of directories from that of the streams to that above the broker's.
const levelsAbove = 5

// syncFile syncs a file, and returns a state that the disk now has at least.
func (s *syncer) syncFile(path string) (os.FileInfo, error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	defer closeQuietly(f)
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	return info, s.fsync(f)
}

// syncEntries syncs the entries of a directory, where there is an fsync for that.
func (s *syncer) syncEntries(dir string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer closeQuietly(f)
	if err := s.fsync(f); err != nil && !errors.Is(err, syscall.EINVAL) {
		return err
	}
	return nil
}
