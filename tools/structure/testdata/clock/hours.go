package clock

// Hours and Name are constants of the package.
const (
	Hours = 12
	Name  = "clock"
	zero  = 0
)

// Time is an alias, which has no members of its own.
type Time = Clock
