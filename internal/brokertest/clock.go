package brokertest

import "time"

// Early reports whether due has not come yet, by either clock. Brokers go by the time of day. Go
// compares two times that it has taken itself by another clock, which does not follow when the time
// of day is set.
func Early(due time.Time) bool {
	now := time.Now()
	return now.Before(due) && now.Round(0).Before(due.Round(0))
}
