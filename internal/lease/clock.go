package lease

import "time"

// moment is a point in time on both clocks: the monotonic one stands still while a virtual machine
// is suspended, and the wall clock may be set.
type moment struct{ at, wall time.Time }

func now() moment {
	at := time.Now()
	return moment{at, at.Round(0)}
}

// age returns how much time has passed since, by the clock with the larger difference.
func (m moment) age() time.Duration {
	at := time.Now()
	return max(at.Sub(m.at), at.Round(0).Sub(m.wall))
}
