// Package hand has the hands of a clock.
package hand

// Hand is the hand of a clock.
type Hand interface {
	// Turn turns it.
	Turn(hours int) Hand
}

// Hour is the hour hand.
var Hour Hand
