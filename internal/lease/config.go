package lease

import (
	"log/slog"
	"time"
)

// Config has the times of leases. The zero value is right.
type Config struct {
	// Node is the name of the program in the records, for people who read them.
	Node string

	// TTL is how long a lease lasts after a renewal. Zero is 1.5 s, or what the store needs to
	// recover from the death of a server, if that is longer. All programs may have their own.
	TTL time.Duration

	// Log gets a warning when a function goes on though its lease is over. Nil drops it.
	Log *slog.Logger
}

const (
	// usualTTL is the TTL on a broker of one server: another program takes over within two seconds
	// of a death.
	usualTTL = 1500 * time.Millisecond

	// Shares of the TTL: the time between renewals, and the time before the end at which a holder
	// stops.
	renewals = 4
	margins  = 5

	// keeps is how many times the TTL the broker keeps the record of a program that is dead. It
	// must be more than one: a record that is gone is void at once.
	keeps = 10

	// again is the time between two attempts while the broker is away.
	again = 100 * time.Millisecond
)

// ttl returns how long a lease lasts in a store that needs a shortest one.
func (c Config) ttl(least time.Duration) time.Duration {
	if c.TTL == 0 {
		return max(usualTTL, least)
	}
	return c.TTL
}
