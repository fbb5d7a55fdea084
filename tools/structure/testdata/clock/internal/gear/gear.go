// Package gear imports the root package, which the tests of structure find.
package gear

import "example.com/clock"

// Teeth is exported by an internal package and not counted.
const Teeth = clock.Hours
