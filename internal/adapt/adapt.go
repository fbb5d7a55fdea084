// Package adapt finds out how many jobs should run at a time: it grows while they take as long as ever, and shrinks when they time out, fail, or take
// longer.
//
// It begins with the fewest and doubles until something speaks against it; from then on it is additive increase and multiplicative decrease, with the
// shrinking proportional to how much longer the jobs take. It is pure: it is told of each run, and returns the limit.
package adapt

import "time"

// Settings are a Limiter's. All of them are positive.
type Settings struct {
	Min, Max int
	// Tolerance is how many times as long as at their best runs may take on the average; more than 1.
	Tolerance float64
	// FailureRate is the share of runs, up to 1, that may fail or time out.
	FailureRate float64
}

// Run is one that has ended.
type Run struct {
	// Begun is when it was begun, and Took how long it ran.
	Begun time.Time
	Took  time.Duration
	// Failed says that it failed, or timed out.
	Failed bool
	// Busy is how many were running when it ended, itself included.
	Busy int
}

// Limiter is a limit that moves. Make one with New.
type Limiter struct {
	settings Settings
	limit    float64
	found    bool          // it has been lowered before: no more doubling
	changed  time.Time     // when the limit was lowered last: what was begun before says nothing about it
	best     time.Duration // the best average since then; zero if there is none yet
	before   time.Duration // and between then and the time before

	// Of the runs since the limit was weighed last:
	runs, failed, most int
	took               time.Duration
}

const (
	// fewest runs are needed to weigh the limit; and as many as may run at a time.
	fewest = 10
	// steepest is the least that is left of a limit that is lowered.
	steepest = 0.5
	// margin is how much further than to where the runs are fast again the limit is lowered.
	margin = 0.9
)

// New returns a limiter that begins at Min: one that began too high would take for their best what overloaded jobs take.
func New(s Settings) *Limiter { return &Limiter{settings: s, limit: float64(s.Min)} }

// Limit returns how many may run at a time.
func (l *Limiter) Limit() int { return int(l.limit) }

// SetMax changes Max. The limit follows at once if it has to, and Min, too, while it is more than Max.
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

// weigh moves the limit by what the last runs say.
func (l *Limiter) weigh(now time.Time) {
	average := max(l.took/time.Duration(l.runs), 1)
	if float64(l.failed) > l.settings.FailureRate*float64(l.runs) {
		l.lower(now, steepest)
	} else if stretch := l.stretch(average); stretch > l.settings.Tolerance {
		l.lower(now, max(steepest, margin/stretch))
	} else if l.most >= l.Limit() { // else there is no need for more
		l.raise()
	}
	l.runs, l.failed, l.most, l.took = 0, 0, 0, 0
}

// stretch says how many times as long as at their best the runs take.
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

// lower leaves the given part of the limit. What is the best is forgotten when the limit has been lowered twice: jobs may become slower for
// good.
func (l *Limiter) lower(now time.Time, part float64) {
	l.limit = max(l.limit*part, float64(min(l.settings.Min, l.settings.Max)))
	l.found = true
	l.before, l.best = l.best, 0
	l.changed = now
}
