package postgres

import (
	"errors"
	"fmt"
	"regexp"
	"time"

	"github.com/gentask/gentask/queue"
)

// Config configures a [Broker]. The zero value is valid.
type Config struct {
	// Schema is the schema of the tables: a letter or an underscore, then letters, digits and
	// underscores, all lower case, at most 63. Empty means "gentask".
	Schema string

	// Lease is the time after which the jobs of a dead session are given to others. A session
	// renews its lease six times within it. Zero means 1.5 s; otherwise it must be at least 500 ms.
	// Sessions with different leases work together.
	Lease time.Duration

	// Unique is the time for which a [queue.Message.UniqueKey] is remembered. Zero means 2 minutes.
	// With -1 a message with a key is refused with [queue.ErrUnsupported]. Otherwise it must be at
	// least 1 ms.
	Unique time.Duration

	// Done is for how long [DedupStore] remembers a job that is done. It must be longer than the
	// message may live. Zero means 7 days; otherwise it must be at least 1 ms.
	Done time.Duration
}

// Defaults and bounds of Config.
const (
	defaultSchema = "gentask"
	defaultLease  = 1500 * time.Millisecond
	minLease      = 500 * time.Millisecond
	defaultUnique = 2 * time.Minute
	neverUnique   = -1
	minUnique     = time.Millisecond
	defaultDone   = 7 * 24 * time.Hour
)

// schemaNames are the names of schemas that need no quotes.
var schemaNames = regexp.MustCompile(`^[a-z_][a-z0-9_]{0,62}$`)

// withDefaults returns the config with every field set. It returns an error that wraps
// queue.ErrConfig and names every field that can't be right.
func (c Config) withDefaults() (Config, error) {
	if c.Schema == "" {
		c.Schema = defaultSchema
	}
	if c.Lease == 0 {
		c.Lease = defaultLease
	}
	if c.Unique == 0 {
		c.Unique = defaultUnique
	}
	if c.Done == 0 {
		c.Done = defaultDone
	}
	var errs []error
	bad := func(field string, was any, want string) {
		errs = append(errs, fmt.Errorf("postgres: %w: Config.%s is %v, must be %s", queue.ErrConfig, field, was, want))
	}
	if !schemaNames.MatchString(c.Schema) {
		bad("Schema", fmt.Sprintf("%.80q", c.Schema), "lower-case letters, digits and underscores, at most 63")
	}
	if c.Lease < minLease {
		bad("Lease", c.Lease, fmt.Sprintf("zero (%v) or at least %v", defaultLease, minLease))
	}
	if c.Unique != neverUnique && c.Unique < minUnique {
		bad("Unique", c.Unique, fmt.Sprintf("zero (%v), -1 (never) or at least %v", defaultUnique, minUnique))
	}
	if c.Done < minUnique {
		bad("Done", c.Done, fmt.Sprintf("zero (%v) or at least %v", defaultDone, minUnique))
	}
	return c, errors.Join(errs...)
}
