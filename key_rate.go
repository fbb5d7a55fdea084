package gentask

import "errors"

// KeyRate is a [Rate] for each key. Over any interval d, at most Burst + PerSecond*d runs of a key
// start. Other keys are not held up. Deliveries that may not start yet are held, so
// [Config.Prefetch] should be several times [Config.Concurrency]: a key that fills it holds up the
// rest. KeyRate composes with [Policy.Rate].
//
// A key is remembered until its burst is full again, which takes at most Burst/PerSecond. It is the
// same as a new one then. Of more than 50,000 such keys, those with the fullest bursts are
// forgotten. A key longer than 64 bytes is remembered by its beginning and a hash of all of it.
type KeyRate struct {
	// Key returns whose limit a message counts for; one with an empty key has none. Nil is off.
	Key KeyFunc

	// Rate is the limit of each key. Zero means no limit, until [Consumer.SetKeyRate] sets one.
	Rate Rate
}

func (k KeyRate) check() error {
	return errors.Join(
		k.Rate.checkAs("Rate."),
		k.Key.check(),
		unfitIf(k.Key == nil && k.Rate != (Rate{}), "Key", "nil with a Rate",
			"a function, for example KeyHeader(name)"))
}
