// Package face may import the root package.
package face

import "example.com/clock"

// Face shows a clock.
type Face struct {
	*clock.Clock
	color string
}

// New returns a face.
func New() Face { return Face{color: "white"} }

// Default is a variable.
var Default Face
