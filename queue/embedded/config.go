package embedded

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/nats"
)

// Config configures a [Broker]. The zero value is valid.
type Config struct {
	// Queues applies to all queues of the broker. Its Replicas must be zero or 1.
	Queues nats.Config

	// SyncInterval is the interval at which files are synced to the disk, and so the time whose
	// messages a power cut can lose. Zero means 1 s; otherwise it must be at least 10 ms.
	SyncInterval time.Duration

	// SyncAlways syncs each message before it is confirmed.
	SyncAlways bool

	// Logger receives the server's log. Nil discards it.
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
		errs = append(errs, fmt.Errorf(
			"embedded: %w: Config.Queues.Replicas is %d, must be 0 or 1: there is one server",
			queue.ErrConfig, c.Queues.Replicas))
	}
	return errors.Join(append(errs, c.Queues.Check())...)
}
