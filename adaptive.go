package gentask

import (
	"errors"
	"math"

	"github.com/gentask/gentask/internal/adapt"
)

// Adaptive finds out how many jobs should run at a time, from Min to [Config.Concurrency]. It
// begins with Min, and grows while runs take no longer than before. It shrinks when runs fail, time
// out, or take longer. [Health.Concurrency] shows the present number.
//
// Adaptive is meant for jobs that are much alike. The time that a job takes by itself must not
// differ by much more than Tolerance, on the average of ten.
type Adaptive struct {
	// Min is the fewest jobs that may run at a time. Zero means off.
	Min int

	// Tolerance is how many times their best time runs may take on average before it shrinks; more
	// than 1. Zero means 1.5.
	Tolerance float64

	// FailureRate is the share of runs, up to 1, that may fail or time out before it shrinks. Zero
	// means 0.1.
	FailureRate float64
}

func (a Adaptive) on() bool { return a.Min > 0 }

func (a Adaptive) check() error {
	tolerant := a.Tolerance == 0 || a.Tolerance > 1 && !math.IsInf(a.Tolerance, 0) // false for NaN
	rate := a.FailureRate >= 0 && a.FailureRate <= 1                               // false for NaN
	return errors.Join(
		unfitIf(a.Min < 0, "Min", a.Min, "0 for off, or the fewest jobs that may run at a time"),
		unfitIf(!tolerant, "Tolerance", a.Tolerance, "0 for 1.5, or more than 1"),
		unfitIf(!rate, "FailureRate", a.FailureRate, "0 for 0.1, or a share up to 1"),
		unfitIf(a.Min == 0 && a != Adaptive{}, "Min", a.Min,
			"the fewest jobs that may run at a time; other fields are set"))
}

// limiter returns a limiter that goes up to most.
func (a Adaptive) limiter(most int) *adapt.Limiter {
	return adapt.New(adapt.Settings{
		Min: min(a.Min, most), Max: most, Tolerance: or(a.Tolerance, 1.5), FailureRate: or(a.FailureRate, 0.1),
	})
}
