package embedded

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/nats"
)

// Broker is a JetStream server in this process. It must be made by [Open]. It is safe for
// concurrent use.
type Broker struct {
	queues *nats.Broker
	host   *host
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
	if dir, err = makeDir(dir); err != nil {
		return nil, err
	}
	l, err := acquire(dir)
	if err != nil {
		return nil, err
	}
	h, err := newHost(dir, c, l)
	if err != nil {
		return nil, err
	}
	b := &Broker{host: h}
	if b.queues, err = nats.NewInProcess(h, c.Queues); err != nil {
		return nil, errors.Join(err, b.Close())
	}
	return b, nil
}

// makeDir makes the directory, and returns its absolute path without links, by which brokers of one
// process recognize that they have the same.
func makeDir(dir string) (string, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", fmt.Errorf("embedded: %w", err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("embedded: directory can't be made: %w", err)
	}
	if dir, err = filepath.EvalSymlinks(dir); err != nil {
		return "", fmt.Errorf("embedded: %w", err)
	}
	return dir, nil
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

// Queue returns the queue of that name: see [nats.Broker.Queue].
func (b *Broker) Queue(name string) *nats.Queue {
	return b.queues.Queue(name)
}

// Queues returns the names of the queues: see [nats.Broker.Queues].
func (b *Broker) Queues(ctx context.Context) ([]string, error) { return b.queues.Queues(ctx) }

// Store returns the store of that name: see [nats.Broker.Store].
func (b *Broker) Store(ctx context.Context, name string) (queue.Store, error) {
	return b.queues.Store(ctx, name)
}

// Bus returns the bus of that name: see [nats.Broker.Bus]. It reaches the programs that have the
// same broker, which are in this process.
func (b *Broker) Bus(ctx context.Context, name string) (queue.Bus, error) {
	return b.queues.Bus(ctx, name)
}

// Err returns the reason why the broker can't store messages at the moment, which wraps
// [ErrStorage], or nil. It does not look at the disk.
func (b *Broker) Err() error {
	return b.host.failed()
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
	return errors.Join(err, b.host.close())
}
