package gentask

import (
	"errors"
	"time"

	"github.com/gentask/gentask/internal/admission"
	"github.com/gentask/gentask/internal/breaker"
)

// KeyBreaker is a [Breaker] for each key. It is meant for a dependency that only the jobs of one
// key have, such as a customer's server.
//
// While a breaker is open, messages of its key are snoozed until its next probe, which costs no
// attempt. Other keys are not affected. Messages that also have a key for [Policy.Order] are held
// instead, for at most [Order.Hold], because snoozing would change their order. KeyBreaker composes
// with [Policy.Breaker], for which runs count as well.
//
// A key is forgotten when its breaker is closed and none of its runs ended within Window. The key
// of an open breaker is forgotten when nothing of it came for an hour after a probe was due. Of
// more than 50,000 keys, those with closed breakers are forgotten first, and then those that opened
// first. A key longer than 64 bytes is remembered, and shown in events and [Health], by its
// beginning and a hash of all of it.
type KeyBreaker struct {
	// Key returns whose breaker a message is for; one with an empty key has none. Nil is off.
	Key KeyFunc

	// Breaker configures the breaker of each key.
	Breaker Breaker
}

// ErrBreakerOpen is the reason of a release, in events, because the breaker of the message's key
// isn't closed. It wraps the failure that opened it.
var ErrBreakerOpen = admission.ErrBreakerOpen

func (k KeyBreaker) on() bool { return k.Key != nil }

func (k KeyBreaker) check() error {
	off := k.Key != nil && k.Breaker == (Breaker{})
	return errors.Join(
		inField("Breaker.", k.Breaker.check()),
		k.Key.check(),
		unfitIf(k.Key == nil && k.Breaker != (Breaker{}), "Key", "nil with a Breaker",
			"a function, for example KeyHeader(name)"),
		unfitIf(off, "Breaker.FailureRate", k.Breaker.FailureRate,
			"the share of failures at which it opens, such as 0.5; there is a Key"))
}

// gate returns the gate of the breakers.
func (k KeyBreaker) gate(random func() float64) *admission.KeyBreaker {
	base := float64(or(k.Breaker.Wait.Base, breakerWait))
	return admission.NewKeyBreaker(
		func() *breaker.Machine { return k.Breaker.machine(random) },
		func() time.Duration { return time.Duration(random() * base) })
}
