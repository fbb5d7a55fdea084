package clock

type hand struct{ at int }

func (c *Clock) turn() { c.hands.top().at++; wake(c) }

// Turn turns the clock.
func (c *Clock) Turn() { c.turn() }
