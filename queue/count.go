package queue

import (
	"errors"
	"math"
	"strconv"
)

// MaxCount is the upper limit of a counter that drivers read from a header. Any program may have
// written it, and sums of it must not overflow.
const MaxCount = math.MaxInt32 / 4

// ParseCount reads a counter in decimal. One that is out of the range from 0 to [MaxCount] is the
// nearest number in it. If text is not a number, it returns 0 and false.
func ParseCount(text string) (n int, ok bool) {
	long, err := strconv.ParseInt(text, 10, 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		return 0, false
	}
	return int(max(0, min(long, MaxCount))), true
}

// UsedUp returns the number of attempts that were used up before this copy of a message was
// published, by [HeaderAttempts]. If the headers have no such number, it returns 0 and false.
func UsedUp(headers map[string]string) (attempts int, found bool) {
	text, found := headers[HeaderAttempts]
	if !found { // as in every first attempt: the error that ParseCount meets would be an allocation
		return 0, false
	}
	return ParseCount(text)
}
