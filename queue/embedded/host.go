package embedded

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/nats"
)

// host runs the server of a directory. After an error of a write the server never writes to that
// stream again, so it is stopped. As soon as the directory can be written again, the next server
// continues with its files. Sessions are lost in between.
type host struct {
	dir    string
	config Config
	lock   *lock
	syncer *syncer

	hint   chan struct{} // capacity 1: an element makes keep look at once
	stop   context.CancelFunc
	keeper sync.WaitGroup

	looking sync.Mutex // guards looked
	looked  time.Time

	mu      sync.Mutex
	server  *server.Server // nil while there is none
	failure error          // why the server is stopped, or will be; nil while all is well
	started time.Time      // of server
	wait    time.Duration  // before the next start
	closed  bool
}

var (
	_ nats.InProcessServer = (*host)(nil)
	_ nats.Storage         = (*host)(nil)
)

// Times of a host.
const (
	startTimeout = time.Minute            // for a server to read its directory
	lookEvery    = 250 * time.Millisecond // the interval of looking at the lock file, or for room
	lookMost     = 100 * time.Millisecond // the shortest interval of thorough looks
	goodServer   = 10 * time.Second       // a server that fails sooner makes the next one wait
	longestWait  = 5 * time.Second
)

// newHost returns a host whose server runs. It releases the lock if it returns an error.
func newHost(dir string, c Config, l *lock) (*host, error) {
	h := &host{
		dir: dir, config: c, lock: l, syncer: newSyncer(dir, c.fsync, l),
		hint: make(chan struct{}, 1), started: time.Now(),
	}
	s, err := h.launch()
	if err != nil {
		return nil, errors.Join(err, l.release())
	}
	h.server = s
	ctx, stop := context.WithCancel(context.Background())
	h.stop = stop
	h.keeper.Go(func() { h.keep(ctx) })
	if c.Sync != Always {
		h.keeper.Go(func() { h.flushEvery(ctx, time.Duration(c.Sync)) })
	}
	return h, nil
}

// launch returns a server that runs.
func (h *host) launch() (*server.Server, error) {
	s, err := server.NewServer(options(h.dir, h.config.Sync))
	if err != nil {
		return nil, fmt.Errorf("embedded: %w", err)
	}
	log := newServerLog(h.config.Logger, h.fail)
	s.SetLoggerV2(log, false, false, false)
	s.Start()
	if log.failure() == "" && s.ReadyForConnections(startTimeout) && s.JetStreamEnabled() && log.failure() == "" {
		repaired, err := h.repair(s, log)
		switch {
		case err != nil:
			halt(s)
			return nil, err
		case repaired:
			return h.launch()
		}
		return s, nil
	}
	halt(s)
	return nil, fmt.Errorf("embedded: server can't start in %q within %v: %s", h.dir, startTimeout, log.failure())
}

// halt stops a server, and returns when it has stopped.
func halt(s *server.Server) {
	s.Shutdown()
	s.WaitForShutdown()
}

// options returns those of a server with JetStream only, without a port and without signal
// handlers. It may sync in addition to the syncer.
func options(dir string, sync Sync) *server.Options {
	every := time.Duration(sync)
	if sync == Always {
		every = time.Second
	}
	return &server.Options{
		ServerName:   "gentask-embedded",
		DontListen:   true,
		JetStream:    true,
		StoreDir:     dir,
		SyncInterval: every,
		NoSigs:       true,
	}
}

// InProcessConn implements [nats.InProcessServer].
func (h *host) InProcessConn() (net.Conn, error) {
	h.mu.Lock()
	s, err := h.server, h.reason()
	h.mu.Unlock()
	if err != nil {
		return nil, err
	}
	if s == nil {
		return nil, queue.ErrClosed
	}
	return s.InProcessConn()
}

// Sync implements [nats.Storage].
func (h *host) Sync(ctx context.Context, stream string) error {
	err := h.sync(ctx, h.syncer.tree(stream))
	if err == nil || ctx.Err() != nil {
		return err
	}
	return h.failWith(err)
}

// sync returns nil when all that was written to the stream before is as durable as configured. A
// file that was removed takes writes, too, so it must also still be there.
func (h *host) sync(ctx context.Context, t *tree) error {
	if h.config.Sync == Always {
		return t.commit(ctx)
	}
	t.note()
	if err := h.lock.held(); err != nil {
		return err
	}
	return t.there()
}

// SyncsAlways reports whether a confirmed message survives a power cut.
func (h *host) SyncsAlways() bool { return h.config.Sync == Always }

// Err implements [nats.Storage]. It looks for a reason if none is known.
func (h *host) Err() error {
	if err := h.failed(); err != nil {
		return err
	}
	h.looking.Lock()
	defer h.looking.Unlock()
	if time.Since(h.looked) > lookMost {
		h.looked = time.Now()
		if err := h.look(); err != nil {
			return h.failWith(err)
		}
	}
	return h.failed()
}

// current returns the server that runs; nil if there is none.
func (h *host) current() *server.Server {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.server
}

// failed returns the known reason why nothing can be stored, or nil. While a directory is being
// removed the server fails first; afterwards the removal is the reason.
func (h *host) failed() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.reason()
}

// reason is called with mu held. The server's own words for a removal are "file not found", or
// worse.
func (h *host) reason() error {
	if h.failure != nil && !h.closed && !errors.Is(h.failure, ErrRemoved) {
		if gone := h.lock.held(); gone != nil {
			h.failure = unable(gone)
		}
	}
	return h.failure
}

// fail records that the server can't write, and makes keep replace it. The first reason stays. It
// must not call the server.
func (h *host) fail(err error) { _ = h.failWith(err) }

// failWith is fail. It returns the reason, or err after the end.
func (h *host) failWith(err error) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return err
	}
	if h.failure == nil {
		h.failure = unable(err)
		h.wait = min(2*h.wait+lookEvery, longestWait)
		if time.Since(h.started) > goodServer {
			h.wait = 0
		}
	}
	select {
	case h.hint <- struct{}{}:
	default:
	}
	return h.reason()
}

// unable returns the error of a broker that can't store, because of err.
func unable(err error) error {
	return fmt.Errorf("%w: %w: %w", ErrStorage, queue.ErrUnavailable, err)
}

// keep replaces the server as soon as that is possible, after it has failed.
func (h *host) keep(ctx context.Context) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-h.hint:
		case <-ctx.Done():
			return
		}
		if h.failed() == nil {
			if err := h.lock.held(); err != nil {
				h.fail(err)
			}
		}
		if h.failed() != nil {
			h.mend()
		}
	}
}

// mend stops the server that has failed, and starts the next if the directory can be written.
func (h *host) mend() {
	h.mu.Lock()
	s := h.server
	h.server = nil
	if s != nil {
		h.started = time.Now() // of the pause
	}
	early := time.Since(h.started) < h.wait
	h.mu.Unlock()
	if s != nil {
		halt(s)
	}
	if early {
		return
	}
	err := h.usable()
	if err == nil {
		s, err = h.launch()
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if err != nil {
		h.failure = unable(err)
		return
	}
	h.server, h.failure, h.started = s, nil, time.Now()
}

// flushEvery syncs at intervals of every.
func (h *host) flushEvery(ctx context.Context, every time.Duration) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		if h.failed() != nil {
			continue
		}
		if err := h.syncer.flush(); err != nil {
			h.fail(err)
		}
	}
}

// close stops the server, syncs what it has stored, and releases the directory.
func (h *host) close() error {
	h.mu.Lock()
	h.closed = true
	h.mu.Unlock()
	h.stop()
	h.keeper.Wait()
	h.mu.Lock()
	s, failure := h.server, h.failure
	h.server = nil
	h.mu.Unlock()
	if s != nil {
		halt(s)
	}
	var err error
	if failure == nil {
		err = h.syncer.flush()
	}
	h.syncer.close()
	return errors.Join(err, h.lock.release())
}
