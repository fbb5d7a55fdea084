package clock_test

import (
	"fmt"

	"example.com/clock"
)

func ExampleClock_Wind() {
	// A comment of the example.
	c := clock.New(clock.Config{Days: 1})
	fmt.Println(c.Wind(clock.Config{}))
	// Output: <nil>
}
