package gentask

import "time"

// hunger is since when a limit of the fleet leaves a consumer nothing. Its zero value is none.
type hunger struct{ since time.Time }

// hungerLimit is how long a consumer without any part of a limit holds deliveries. Others may have
// one, so it gives the deliveries back then, and takes none until it can get a part.
const hungerLimit = 5 * time.Second

// feed notes whether there is something.
func (h *hunger) feed(fed bool, now time.Time) {
	switch {
	case fed:
		h.since = time.Time{}
	case h.since.IsZero():
		h.since = now
	}
}

// limit returns when the hunger is long; zero if there is none.
func (h *hunger) limit() time.Time {
	if h.since.IsZero() {
		return time.Time{}
	}
	return h.since.Add(hungerLimit)
}

// long reports whether the consumer should hold no deliveries.
func (h *hunger) long(now time.Time) bool { return !h.since.IsZero() && !now.Before(h.limit()) }

// forget ends a hunger that is not long: nothing waits any more. One that is long goes on, because
// the consumer takes no deliveries meanwhile.
func (h *hunger) forget(now time.Time) {
	if !h.long(now) {
		h.since = time.Time{}
	}
}
