package gentask

import (
	"errors"
	"math"

	"github.com/gentask/gentask/internal/admission"
)

// Rate limits how many runs a consumer begins: in any while of d at most Burst + PerSecond*d. What may not begin yet is held, up to
// Config.Prefetch. Consumer.SetRate changes it.
type Rate struct {
	// PerSecond is how many runs begin each second, on the average. Zero is off.
	PerSecond float64

	// Burst is how many may begin at once after a lull. Zero means as many as come in 100 ms, and 1 at least.
	Burst int
}

func (r Rate) check() error { return r.checkAs("") }

// checkAs is check for a rate that is a field: in is what comes before the names of its own.
func (r Rate) checkAs(in string) error {
	number := r.PerSecond >= 0 && !math.IsInf(r.PerSecond, 0) // NaN is not in it
	return errors.Join(
		unfitIf(!number, in+"PerSecond", r.PerSecond, "0 for no limit, or more"),
		unfitIf(r.Burst < 0, in+"Burst", r.Burst, "0 for as many as come in 100ms, or more"),
		unfitIf(r.PerSecond == 0 && r.Burst > 0, in+"PerSecond", r.PerSecond, "the runs that begin each second; there is a Burst"))
}

func (r Rate) on() bool { return r.PerSecond > 0 }

// limit returns the rate as its gate takes it.
func (r Rate) limit() admission.Limit {
	if !r.on() {
		return admission.Limit{}
	}
	return admission.Limit{PerSecond: r.PerSecond, Burst: or(r.Burst, int(min(max(r.PerSecond/10, 1), mostBurst)))}
}

// mostBurst is more than runs can start in any interval, and fits an int everywhere.
const mostBurst = math.MaxInt32
