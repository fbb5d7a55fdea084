package nats

import (
	"strconv"
	"strings"
	"time"
)

// origin is the information on a delivery in its reply subject.
type origin struct {
	stream    string
	sequence  uint64 // in the stream
	stored    time.Time
	delivered int // number of deliveries, including this one
}

// ackPrefix is the prefix of reply subjects.
const ackPrefix = "$JS.ACK."

// originOf parses a reply subject. It replaces the client's own parser, which allocates all fields
// for each message:
//
//	$JS.ACK.<stream>.<consumer>.<delivered>.<sequence>.<consumer's sequence>.<time>.<pending>
//	$JS.ACK.<domain>.<account>.<stream>.<consumer>.<delivered>.<sequence>.<consumer's sequence>.<time>.<pending>[.<more>]
func originOf(reply string) (o origin, ok bool) {
	rest, ok := strings.CutPrefix(reply, ackPrefix)
	next := func() (token string) {
		token, rest, _ = strings.Cut(rest, ".")
		return token
	}
	switch tokens := strings.Count(rest, ".") + 1; {
	case tokens >= 9:
		next()
		next()
	case tokens != 7:
		return origin{}, false
	}
	o.stream = next()
	next()
	delivered, err1 := strconv.ParseUint(next(), 10, 31)
	sequence, err2 := strconv.ParseUint(next(), 10, 64)
	next()
	nanos, err3 := strconv.ParseInt(next(), 10, 64)
	o.delivered, o.sequence, o.stored = int(delivered), sequence, time.Unix(0, nanos)
	return o, ok && err1 == nil && err2 == nil && err3 == nil
}

// dedup returns a unique name of the message. The sequence alone would not be unique, because a
// stream that is created again starts at 1.
func (o *origin) dedup() string {
	return o.stream + ":" + strconv.FormatUint(o.sequence, 10) + ":" + strconv.FormatInt(o.stored.UnixNano(), 36)
}
