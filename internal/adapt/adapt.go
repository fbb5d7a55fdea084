// Package adapt finds how many jobs should run at a time. The limit grows while runs take their
// usual time, and shrinks when they time out, fail, or take longer.
//
// It begins with the fewest and doubles until runs suffer. From then on it is additive increase and
// multiplicative decrease, in proportion to how much longer the jobs take. It is pure: the caller
// reports each run, and reads the limit.
package adapt

import "time"

// Settings configure a [Limiter]. All of them must be positive.
type Settings struct {
	Min, Max int
	// Tolerance is the most that the average run time may be, as a multiple of the best one. It is
	// more than 1.
	Tolerance float64
	// FailureRate is the share of runs, up to 1, that may fail or time out.
	FailureRate float64
}

// Run describes a run that has ended.
type Run struct {
	// Begun is the begin of the run, and Took its run time.
	Begun time.Time
	Took  time.Duration
	// Failed means that the run failed or timed out.
	Failed bool
	// Busy is how many were running when it ended, itself included.
	Busy int
}

// Limiter is a limit that moves. [New] returns one.
type Limiter struct {
	settings Settings
	limit    float64
	found    bool          // it has been lowered before: no more doubling
	changed  time.Time     // time of the last lowering; runs that began before don't count
	best     time.Duration // the best average since then, or zero
	before   time.Duration // the best average between then and the lowering before

	// Of the runs since the last decision about the limit:
	runs, failed, most int
	took               time.Duration
}

const (
	// fewest runs are needed to decide about the limit, and as many as may run at a time.
	fewest = 10
	// steepest is the smallest part of the limit that one lowering leaves.
	steepest = 0.5
	// margin lowers the limit further than to where the runs are fast again.
	margin = 0.9
)

// New returns a limiter that begins at Min. With a higher start, it would take the run times of
// overloaded jobs for the best.
func New(s Settings) *Limiter { return &Limiter{settings: s, limit: float64(s.Min)} }

// Limit returns how many may run at a time.
func (l *Limiter) Limit() int { return int(l.limit) }

// SetMax changes Max. The limit follows at once if it must, and so does Min while it is more than
// Max.
func (l *Limiter) SetMax(most int) {
	l.settings.Max = most
	l.limit = min(l.limit, float64(most))
}

// Ended notes a run that has ended.
func (l *Limiter) Ended(now time.Time, r Run) {
	if r.Begun.Before(l.changed) {
		return
	}
	l.runs++
	l.took += r.Took
	l.most = max(l.most, r.Busy)
	if r.Failed {
		l.failed++
	}
	if l.runs >= max(fewest, l.Limit()) {
		l.weigh(now)
	}
}

// weigh moves the limit by the last runs.
func (l *Limiter) weigh(now time.Time) {
	average := max(l.took/time.Duration(l.runs), 1)
	if float64(l.failed) > l.settings.FailureRate*float64(l.runs) {
		l.lower(now, steepest)
	} else if stretch := l.stretch(average); stretch > l.settings.Tolerance {
		l.lower(now, max(steepest, margin/stretch))
	} else if l.most >= l.Limit() { // more are not needed otherwise
		l.raise()
	}
	l.runs, l.failed, l.most, l.took = 0, 0, 0, 0
}

// stretch returns the average run time as a multiple of the best one.
func (l *Limiter) stretch(average time.Duration) float64 {
	if l.best == 0 || average < l.best {
		l.best = average
	}
	best := l.best
	if l.before != 0 {
		best = min(best, l.before)
	}
	return float64(average) / float64(best)
}

func (l *Limiter) raise() {
	next := l.limit + 1
	if !l.found {
		next = 2 * l.limit
	}
	l.limit = min(next, float64(l.settings.Max))
}

// lower leaves the given part of the limit. After two lowerings the best run time is forgotten,
// because jobs may become slower for good.
func (l *Limiter) lower(now time.Time, part float64) {
	l.limit = max(l.limit*part, float64(min(l.settings.Min, l.settings.Max)))
	l.found = true
	l.before, l.best = l.best, 0
	l.changed = now
}
