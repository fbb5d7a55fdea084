package embedded

import (
	"errors"
	"fmt"
	"log/slog"
	"os"

	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/nats"
)

// Config configures a [Broker]. The zero value is valid.
type Config struct {
	// Queues applies to all queues of the broker. Its Replicas must be zero or 1.
	Queues nats.Config

	// Sync is when messages are synced to the disk. The zero value is [Always].
	Sync Sync

	// Logger receives the server's log. Nil discards it.
	Logger *slog.Logger

	fsync func(*os.File) error // nil: Sync; set by tests
}

// check returns an error that names every field that can't be right, those of the queues included.
func (c Config) check() error {
	errs := []error{c.Sync.check()}
	if c.Queues.Replicas > 1 {
		errs = append(errs, fmt.Errorf(
			"embedded: %w: Config.Queues.Replicas is %d, must be 0 or 1: there is one server",
			queue.ErrConfig, c.Queues.Replicas))
	}
	return errors.Join(append(errs, c.Queues.Check())...)
}
