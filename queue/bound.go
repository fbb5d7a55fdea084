package queue

import "time"

var (
	firstTime = time.Date(0, 1, 1, 0, 0, 0, 0, time.UTC)
	lastTime  = time.Date(9999, 12, 31, 23, 59, 59, 999_999_999, time.UTC)
)

// BoundTime returns t, in UTC, limited to what RFC 3339, JSON and databases can express: the years
// 0 to 9999. A later time becomes the last one, so that a message that is due then still waits; an
// earlier one becomes the first. Drivers call it for the times that they write, because those of
// other programs can be of any year.
func BoundTime(t time.Time) time.Time {
	switch {
	case t.After(lastTime):
		return lastTime
	case t.Before(firstTime):
		return firstTime
	}
	return t.UTC()
}
