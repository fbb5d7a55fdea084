package gentask

import "errors"

// KeyRate is a Rate for each key: in any while of d at most Burst + PerSecond*d runs of a key begin. Others go on meanwhile. What may not begin yet
// is held, so Prefetch is to be several times Concurrency: a key that fills it holds up the rest. It composes with Policy.Rate.
//
// A key is remembered until its burst is there again, which takes Burst/PerSecond at the most: that makes it one that never was. Of more than 50,000
// such keys, those are forgotten that have most of their burst again. A key longer than 64 bytes is remembered by its beginning and a hash of
// all of it.
type KeyRate struct {
	// Key returns whose limit a message counts for; one with an empty key has none. Nil is off.
	Key KeyFunc

	// Rate is what each key may do. Zero is no limit, until Consumer.SetKeyRate sets one.
	Rate Rate
}

func (k KeyRate) check() error {
	return errors.Join(
		k.Rate.checkAs("Rate."),
		k.Key.check(),
		unfitIf(k.Key == nil && k.Rate != (Rate{}), "Key", "nil with a Rate", "a function, for example KeyHeader(name)"))
}
