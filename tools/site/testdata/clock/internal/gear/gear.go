// Package gear is internal.
package gear

// Gear is a gear.
type Gear int
