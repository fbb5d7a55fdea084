package outbox

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/postgres"
)

// Config configures an [Outbox]. The zero value is valid.
type Config struct {
	// Name distinguishes the outboxes of one schema. Empty means "outbox". It must be at most 100
	// bytes, without a slash.
	Name string

	// Destinations are the names of the publishers to which messages may go. PublishTx refuses
	// others, so that a slip of the pen rolls the user's transaction back. Nil means that any name
	// is taken: messages wait until a relay has a publisher of that name.
	Destinations []string

	// Key returns the key by which messages of one destination are ordered, such as the customer
	// that a message is about; empty for a message without order. PublishTx calls it, in the
	// caller's goroutine. Nil means that there is no order.
	Key gentask.KeyFunc

	// Concurrency is the most messages that a relay publishes at a time to one destination. Zero
	// means 100.
	Concurrency int

	// Timeout is how long the publisher of a destination may take for a message. Zero means 30 s.
	Timeout time.Duration

	// OnEvent and Logger are those of the relay's consumers: see [gentask.Config].
	OnEvent func(gentask.Event)
	Logger  *slog.Logger
}

// Defaults and bounds of Config.
const (
	defaultName        = "outbox"
	maxName            = 100
	maxDestination     = 150 // with the name, what a queue's name may have
	defaultConcurrency = 100
)

// Outbox keeps messages in a PostgreSQL database until a relay has published them elsewhere. It
// must be made by [New]. It needs no closing, and is safe for concurrent use.
type Outbox struct {
	db  *postgres.Broker
	cfg Config
}

// New returns an outbox in the schema of db. It only checks its arguments, with an error that wraps
// [queue.ErrConfig] and names all that can't be right.
func New(db *postgres.Broker, cfg Config) (*Outbox, error) {
	if cfg.Name == "" {
		cfg.Name = defaultName
	}
	if cfg.Concurrency == 0 {
		cfg.Concurrency = defaultConcurrency
	}
	var errs []error
	bad := func(field string, was any, want string) {
		errs = append(errs, fmt.Errorf("outbox: %w: %s is %v, must be %s", queue.ErrConfig, field, was, want))
	}
	if db == nil {
		bad("db", "nil", "a database made by postgres.New")
	}
	if len(cfg.Name) > maxName {
		was := fmt.Sprintf("%.20q with %d bytes", cfg.Name, len(cfg.Name))
		bad("Config.Name", was, fmt.Sprintf("at most %d bytes", maxName))
	}
	if strings.Contains(cfg.Name, "/") {
		bad("Config.Name", fmt.Sprintf("%.100q", cfg.Name), "a name without a slash")
	}
	if cfg.Concurrency < 1 {
		bad("Config.Concurrency", cfg.Concurrency, fmt.Sprintf("0 for %d, or more", defaultConcurrency))
	}
	if cfg.Timeout < 0 {
		bad("Config.Timeout", cfg.Timeout, "0 for 30s, or more")
	}
	if slices.Contains(cfg.Destinations, "") {
		bad("Config.Destinations", "a list with an empty name", "names of publishers")
	}
	cfg.Destinations = slices.Clone(cfg.Destinations)
	return &Outbox{db: db, cfg: cfg}, errors.Join(errs...)
}

// PublishTx writes msgs into the outbox, in the user's transaction, for the publisher called to.
// They are published if, and only if, tx commits. It uses no other connection.
//
// Each message is published with its ID, which is chosen here if it is empty, so that a repetition
// has the same one. NotBefore is the outbox's: the message waits in the database until then. A
// UniqueKey suppresses duplicates within the window of [postgres.Config], and at the destination,
// if that can. With [queue.UntilDone] the key is taken in the outbox, and then at the destination;
// one that does not support it refuses the message: see [Outbox.Relay]. The error is that of
// [postgres.Queue.PublishTx].
func (o *Outbox) PublishTx(ctx context.Context, tx pgx.Tx, to string, msgs ...queue.Message) error {
	wrapped, err := o.wrap(to, msgs)
	if err != nil {
		return err
	}
	return o.Queue(to).PublishTx(ctx, tx, wrapped...)
}

// PublishSQL is PublishTx for a transaction of database/sql.
func (o *Outbox) PublishSQL(ctx context.Context, tx *sql.Tx, to string, msgs ...queue.Message) error {
	wrapped, err := o.wrap(to, msgs)
	if err != nil {
		return err
	}
	return o.Queue(to).PublishSQL(ctx, tx, wrapped...)
}

// Queue returns the queue in which messages for a destination wait. It has their number, and the
// dead letters: see [postgres.Queue.Inspect] and [postgres.Queue.Letters]. Publishing into it, or
// consuming it, goes around the outbox.
func (o *Outbox) Queue(to string) *postgres.Queue {
	return o.db.Queue(o.cfg.Name + "/" + to).InOrder()
}

// Headers of a message in the outbox. Relay removes them.
const (
	headerToken    = "gentask-outbox-token" // names this message among those with the same ID
	headerUnique   = "gentask-outbox-unique"
	headerUntil    = "gentask-outbox-until" // the UniqueUntil of the message, unless it is zero
	headerPriority = "gentask-outbox-priority"
)

// wrap returns msgs as they stand in the outbox. Priorities are for the destination only: here they
// would break the order.
func (o *Outbox) wrap(to string, msgs []queue.Message) ([]queue.Message, error) {
	if to == "" || len(to) > maxDestination {
		return nil, fmt.Errorf("outbox: %w: the destination is %.80q with %d bytes, must be a name of 1 to %d bytes",
			queue.ErrConfig, to, len(to), maxDestination)
	}
	if o.cfg.Destinations != nil && !slices.Contains(o.cfg.Destinations, to) {
		return nil, fmt.Errorf("outbox: %w: the destination is %.80q, must be one of %q",
			queue.ErrConfig, to, o.cfg.Destinations)
	}
	wrapped := slices.Clone(msgs)
	for i := range wrapped {
		m := &wrapped[i]
		if err := m.Check(); err != nil {
			return nil, fmt.Errorf("outbox: %w", err)
		}
		added := map[string]string{headerToken: rand.Text()}
		if o.cfg.Key != nil {
			if key := o.cfg.Key(m); key != "" {
				added[postgres.HeaderGroup] = key
			}
		}
		if m.UniqueKey != "" {
			added[headerUnique] = m.UniqueKey
		}
		if m.UniqueUntil == queue.UntilDone {
			added[headerUntil] = m.UniqueUntil.String()
		}
		if m.Priority != 0 {
			added[headerPriority], m.Priority = strconv.Itoa(m.Priority), 0
		}
		headers := make(map[string]string, len(m.Headers)+len(added))
		maps.Copy(headers, m.Headers)
		maps.Copy(headers, added)
		m.Headers = headers
	}
	return wrapped, nil
}

// Backlog returns the figures of each destination that has messages, dead letters or a relay. Name
// is that of the destination. Messages for which no relay has a publisher are in Waiting, and
// Oldest grows: it is the figure to alert on.
func (o *Outbox) Backlog(ctx context.Context) ([]postgres.QueueStats, error) {
	prefix := o.cfg.Name + "/"
	all, err := o.db.Queues(ctx, prefix)
	for i := range all {
		all[i].Name = strings.TrimPrefix(all[i].Name, prefix)
	}
	return all, err
}
