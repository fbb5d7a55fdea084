package embedded

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/nats"
)

// startTimeout is the most time for a server to read its directory.
const startTimeout = time.Minute

// Broker is a JetStream server in this process. It must be made by [Open]. It is safe for
// concurrent use.
type Broker struct {
	queues *nats.Broker
	server *server.Server
	lock   *os.File
	once   sync.Once
	err    error // of Close
}

// Open starts a broker with its files in dir, which is made if need be, and returns when it is
// ready. At most one Config may be given. It goes on with what an earlier broker left in dir,
// however that one ended. It returns ErrInUse when another one has dir open, and an error that
// wraps queue.ErrConfig and names every value that can't be right.
func Open(dir string, cfg ...Config) (*Broker, error) {
	c, err := one(cfg)
	if dir == "" {
		err = errors.Join(fmt.Errorf("embedded: %w: dir is empty, must be the directory of the files, like \"./data\"",
			queue.ErrConfig), err)
	}
	if err != nil {
		return nil, err
	}
	dir, err = filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("embedded: %w", err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("embedded: directory can't be made: %w", err)
	}
	lock, err := acquire(dir)
	if err != nil {
		return nil, err
	}
	b := &Broker{lock: lock}
	if err := b.start(dir, c); err != nil {
		return nil, errors.Join(err, b.Close())
	}
	return b, nil
}

// one returns the only Config, or the zero one, validated.
func one(cfg []Config) (Config, error) {
	switch len(cfg) {
	case 0:
		return Config{}, nil
	case 1:
		return cfg[0], cfg[0].check()
	}
	return Config{}, fmt.Errorf("embedded: %w: %d Configs, must be one at most", queue.ErrConfig, len(cfg))
}

// start starts the server. Close releases it, also after an error.
func (b *Broker) start(dir string, c Config) error {
	s, err := server.NewServer(options(dir, c))
	if err != nil {
		return fmt.Errorf("embedded: %w", err)
	}
	log := newServerLog(c.Logger, b.lock)
	s.SetLoggerV2(log, false, false, false)
	b.server = s
	s.Start()
	if log.failure() != "" || !s.ReadyForConnections(startTimeout) || !s.JetStreamEnabled() {
		return fmt.Errorf("embedded: server can't start in %q within %v: %s", dir, startTimeout, log.failure())
	}
	b.queues, err = nats.NewInProcess(s, c.Queues)
	return err
}

// options returns those of a server with JetStream only, without a port and without signal
// handlers.
func options(dir string, c Config) *server.Options {
	every := c.SyncInterval
	if every == 0 {
		every = defaultSync
	}
	return &server.Options{
		ServerName:   "gentask-embedded",
		DontListen:   true,
		JetStream:    true,
		StoreDir:     dir,
		SyncInterval: every,
		SyncAlways:   c.SyncAlways,
		NoSigs:       true,
	}
}

// Queue returns the queue of that name: see [nats.Broker.Queue].
func (b *Broker) Queue(name string) *nats.Queue {
	return b.queues.Queue(name)
}

// Close stops the server, waits until it has stopped, and releases the directory. Open sessions are
// lost; the next broker on the directory delivers their messages again. A second Close does
// nothing, and returns the same error.
func (b *Broker) Close() error {
	b.once.Do(func() { b.err = b.close() })
	return b.err
}

func (b *Broker) close() error {
	var err error
	if b.queues != nil {
		err = b.queues.Close()
	}
	if b.server != nil {
		b.server.Shutdown()
		b.server.WaitForShutdown()
	}
	return errors.Join(err, b.lock.Close())
}
