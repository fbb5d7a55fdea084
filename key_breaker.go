package gentask

import (
	"errors"
	"time"

	"github.com/gentask/gentask/internal/admission"
	"github.com/gentask/gentask/internal/breaker"
)

// KeyBreaker is a Breaker for each key, for what only the jobs of a key depend on, such as a customer's server. While one is open, messages of its
// key are snoozed until its next probe, which costs no attempt, and others go on. Where they have a key for Policy.Order, too, they are held instead,
// for Order.Hold at the most: snoozing would change their order. It composes with Policy.Breaker, for which runs count as well.
//
// A key is forgotten when its breaker is closed and none of its runs ended within Window; or when it is open, and nothing of its key came for an
// hour after it was time for a probe. Of more than 50,000 keys, those are forgotten first whose breakers are closed, and then those that
// opened first.
// A key longer than 64 bytes is remembered, and told in events and Health, by its beginning and a hash of all of it.
type KeyBreaker struct {
	// Key returns whose breaker a message is for; one with an empty key has none. Nil is off.
	Key KeyFunc

	// Breaker is that of each key.
	Breaker Breaker
}

// ErrBreakerOpen is the reason of a release, in events, because the message's key has a breaker that isn't closed. It wraps what opened it.
var ErrBreakerOpen = admission.ErrBreakerOpen

func (k KeyBreaker) on() bool { return k.Key != nil }

func (k KeyBreaker) check() error {
	off := k.Key != nil && k.Breaker == (Breaker{})
	return errors.Join(
		inField("Breaker.", k.Breaker.check()),
		k.Key.check(),
		unfitIf(k.Key == nil && k.Breaker != (Breaker{}), "Key", "nil with a Breaker", "a function, for example KeyHeader(name)"),
		unfitIf(off, "Breaker.FailureRate", k.Breaker.FailureRate, "the share of failures at which it opens, such as 0.5; there is a Key"))
}

// gate returns the gate of the breakers.
func (k KeyBreaker) gate(random func() float64) *admission.KeyBreaker {
	base := float64(or(k.Breaker.Wait.Base, breakerWait))
	return admission.NewKeyBreaker(
		func() *breaker.Machine { return k.Breaker.machine(random) },
		func() time.Duration { return time.Duration(random() * base) })
}
