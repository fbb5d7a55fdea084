package rabbitmq

import "time"

const (
	// maxFrames is the number of frames within digestion that a quorum queue certainly takes.
	// digestion is the most time that it needs for more, because it takes 32 commands of a channel
	// at a time.
	maxFrames = 12
	digestion = 200 * time.Millisecond
)

// pace computes the wait until a quorum queue has taken the settlements that were written. The zero
// pace is ready.
type pace struct {
	since  time.Time // the start of the count
	frames int
	burst  time.Time // the last time when there were too many
}

// note counts n frames that are written now.
func (p *pace) note(n int, now time.Time) {
	if now.Sub(p.since) > digestion {
		p.since, p.frames = now, 0
	}
	p.frames += n
	if p.frames > maxFrames {
		p.burst = now
	}
}

// rest returns the time to wait, and zero or less for none.
func (p *pace) rest(now time.Time) time.Duration { return p.burst.Add(digestion).Sub(now) }
