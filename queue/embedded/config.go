package embedded

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/nats"
)

// Config is what a Broker may be told. The zero value is right for most.
type Config struct {
	// Queues holds for the queues; see nats.Config. Its Replicas must be zero or 1.
	Queues nats.Config

	// SyncInterval is how often files are synced to the disk: what a power cut can cost. Zero means 1 s; otherwise at least 10 ms.
	SyncInterval time.Duration

	// SyncAlways syncs each message before it is confirmed.
	SyncAlways bool

	// Logger gets what the server has to say. Nil discards it.
	Logger *slog.Logger
}

const (
	defaultSync = time.Second
	minSync     = 10 * time.Millisecond
)

// check returns an error that names every field that can't be right, those of the queues included.
func (c Config) check() error {
	var errs []error
	if c.SyncInterval != 0 && c.SyncInterval < minSync {
		errs = append(errs, fmt.Errorf("embedded: %w: Config.SyncInterval is %v, must be zero (%v) or at least %v",
			queue.ErrConfig, c.SyncInterval, defaultSync, minSync))
	}
	if c.Queues.Replicas > 1 {
		errs = append(errs, fmt.Errorf("embedded: %w: Config.Queues.Replicas is %d, must be 0 or 1: there is one server",
			queue.ErrConfig, c.Queues.Replicas))
	}
	return errors.Join(append(errs, c.Queues.Check())...)
}
