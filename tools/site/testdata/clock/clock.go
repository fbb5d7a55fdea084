// Package clock shows the time.
//
// # Winding
//
// A [Clock] is wound by [Clock.Wind], as often as [Config.Days] states. Its hands are those of
// package [hand], for example [hand.Hour].
package clock

import (
	"time"

	"example.com/clock/hand"
	"example.com/clock/internal/gear"
)

// Days is how long a clock runs.
const Days = 8

// ErrBroken is returned for a broken spring.
var ErrBroken error

// Config is the configuration of a [Clock].
type Config struct {
	// Days is how long it runs.
	Days int
	// At is the time to begin with, see [time.Time].
	At   time.Time
	Hand hand.Hand // one hand is enough & cheap
	Gear gear.Gear
	wood bool
}

// Clock is a clock.
type Clock struct{ hands []hand.Hand }

// New returns a clock.
func New(cfg Config) *Clock { return &Clock{hands: []hand.Hand{cfg.Hand}} }

// Wind winds the clock.
func (c *Clock) Wind(cfg Config) error { return nil }
