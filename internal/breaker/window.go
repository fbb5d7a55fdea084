package breaker

import "time"

// slots is the number of parts of a window: it slides by one part at a time.
const slots = 10

// tally counts runs.
type tally struct{ good, bad int }

func (t tally) runs() int { return t.good + t.bad }

// window counts the runs of the last period.
type window struct {
	slot   time.Duration // length of each part
	origin time.Time
	newest int64 // number of the current part, counted from origin
	parts  [slots]tally
}

func newWindow(length time.Duration) window { return window{slot: max(length/slots, 1)} }

// slide removes runs that are too old.
func (w *window) slide(now time.Time) {
	if w.origin.IsZero() {
		w.origin = now
	}
	n := int64(now.Sub(w.origin) / w.slot)
	for i := w.newest + 1; i <= n && i <= w.newest+slots; i++ {
		w.parts[i%slots] = tally{}
	}
	w.newest = max(w.newest, n)
}

func (w *window) add(now time.Time, bad bool) {
	w.slide(now)
	part := &w.parts[w.newest%slots]
	if bad {
		part.bad++
	} else {
		part.good++
	}
}

// sum returns the counts of the window.
func (w *window) sum(now time.Time) tally {
	w.slide(now)
	var sum tally
	for _, p := range w.parts {
		sum.good += p.good
		sum.bad += p.bad
	}
	return sum
}

func (w *window) clear() { w.parts = [slots]tally{} }
