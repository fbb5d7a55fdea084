// Package clock is measured by the tests of structure: clock.go, hand.go and alarm.go are a circle
// with one mutual pair.
package clock

// Clock has methods in clock.go and hand.go.
type Clock struct {
	Name  string
	hands stack[hand]
}

// Tick moves the hands.
func (c *Clock) Tick() {
	for range c.hands.items {
		c.turn()
	}
}
