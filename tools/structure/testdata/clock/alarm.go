package clock

// Alarm is woken by a clock.
type Alarm interface {
	Ring()
	silence()
}

func wake(c *Clock) { _ = c.Name }
