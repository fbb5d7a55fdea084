package supervision

import (
	"math"
	"time"
)

// defaultPeriod is the period of an Intensity that gives none.
const defaultPeriod = 5 * time.Second

// Unlimited as Intensity.Restarts tolerates any number of restarts.
const Unlimited = math.MaxInt

// Intensity limits restarts: up to Restarts of them are tolerated in any Period, one more is not.
//
// Zero means zero, as in OTP: the first restart is one too many. Elixir's default is
// Intensity{Restarts: 3}.
type Intensity struct {
	// Restarts is how many restarts are tolerated within Period; [Unlimited] is any number. A group
	// that is restarted together counts once. A restart whose start fails counts, and is tried
	// again. Normal ends that need no restart never count.
	Restarts int

	// Period is the length of the sliding window. Zero means 5 s.
	Period time.Duration
}

func (i Intensity) validate(field string) error {
	switch {
	case i.Restarts < 0:
		return badField(field+".Restarts", i.Restarts, "0 or more, or Unlimited")
	case i.Period < 0:
		return badField(field+".Period", i.Period, "0 (5 s) or positive")
	}
	return nil
}

func (i Intensity) withDefaults() Intensity {
	if i.Period == 0 {
		i.Period = defaultPeriod
	}
	return i
}

// exceeded returns the reason for giving up.
func (i Intensity) exceeded(id string, reason error) error {
	return &IntensityError{ID: id, Restarts: i.Restarts, Period: i.Period, Reason: reason}
}

// countless is the number from which a limit is none: nothing restarts so often, and each restart
// in a window costs memory.
const countless = 1 << 30

// window holds the times of the restarts in the last period, oldest first: never more than the
// limit and one.
type window []time.Time

// over counts a restart, and reports whether it is one too many.
func (w *window) over(limit Intensity) bool {
	if limit.Restarts >= countless {
		return false
	}
	now := time.Now()
	old := 0
	for old < len(*w) && now.Sub((*w)[old]) > limit.Period {
		old++
	}
	*w = append((*w)[old:], now)
	return len(*w) > limit.Restarts
}
