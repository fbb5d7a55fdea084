package gentask

import (
	"errors"
	"math"

	"github.com/gentask/gentask/internal/admission"
)

// Rate limits how many runs a consumer starts. Over any interval d, at most Burst + PerSecond*d
// runs start. Deliveries that may not start yet are held, up to [Config.Prefetch].
// [Consumer.SetRate] changes the rate.
type Rate struct {
	// PerSecond is how many runs start each second on average. Zero means off.
	PerSecond float64

	// Burst is how many runs may start at once after a lull. Zero means as many as PerSecond allows
	// in 100 ms, and at least 1.
	Burst int
}

func (r Rate) check() error { return r.checkAs("") }

// checkAs is check for a rate that is a field. in is the prefix of the names of its own fields.
func (r Rate) checkAs(in string) error {
	number := r.PerSecond >= 0 && !math.IsInf(r.PerSecond, 0) // false for NaN
	return errors.Join(
		unfitIf(!number, in+"PerSecond", r.PerSecond, "0 for no limit, or more"),
		unfitIf(r.Burst < 0, in+"Burst", r.Burst, "0 for as many as come in 100ms, or more"),
		unfitIf(r.PerSecond == 0 && r.Burst > 0, in+"PerSecond", r.PerSecond,
			"the runs that begin each second; there is a Burst"))
}

func (r Rate) on() bool { return r.PerSecond > 0 }

// limit returns the rate for its gate.
func (r Rate) limit() admission.Limit {
	if !r.on() {
		return admission.Limit{}
	}
	return admission.Limit{PerSecond: r.PerSecond, Burst: or(r.Burst, int(min(max(r.PerSecond/10, 1), mostBurst)))}
}

// mostBurst is more than runs can start in any interval, and fits an int on every platform.
const mostBurst = math.MaxInt32
