package rabbitmq

import "time"

const (
	// maxFrames is how many frames within digestion a quorum queue takes without fail, and digestion is how long it may need for more: it takes
	// 32 commands of a channel at a time.
	maxFrames = 12
	digestion = 200 * time.Millisecond
)

// pace tells how long to wait until a quorum queue has taken the settlements that were written. The zero pace is ready.
type pace struct {
	since  time.Time // the beginning of the count
	frames int
	burst  time.Time // when there were too many, last
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

// rest is how long to wait, zero or less for not at all.
func (p *pace) rest(now time.Time) time.Duration { return p.burst.Add(digestion).Sub(now) }
