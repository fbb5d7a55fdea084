package queue

import (
	"fmt"
	"iter"
	"math"
	"strconv"
	"time"
)

// Properties are the fields of a message that programs use among themselves, such as the address
// for an answer. The library acts on none of them. They travel with the message over all of its
// attempts, into its dead letter and back.
//
// A driver maps them to the broker's own fields where there are such, and to the headers below
// elsewhere: see docs/drivers.md.
type Properties struct {
	// CorrelationID relates the message to another one, as an answer to its request.
	CorrelationID string

	// ReplyTo is the address for an answer: at RabbitMQ the name of a queue, at NATS a subject.
	ReplyTo string

	// Type is the publisher's name for the type of the message.
	Type string

	// AppID identifies the program that published the message.
	AppID string

	// Expiration is how long after its publishing the message is of use, to the millisecond. Zero
	// means no limit. It is for the job to read: see gentask.DeadlineFromExpiration. A publisher
	// does not give it to the broker, and neither does a copy, because a broker drops what has
	// expired. That includes a message that only waits for its next attempt. It must not be
	// negative.
	Expiration time.Duration

	// Subject is the routing key or the subject with which the message reached its queue. It is
	// empty if that was the queue's own name. A publisher keeps it, but does not route by it.
	Subject string

	// Exchange is the exchange at which the message was published. It is empty for the default
	// exchange, and at brokers without exchanges. A publisher keeps it, but does not route by it.
	Exchange string
}

// HeaderEncoding holds the compression of a body, as in HTTP: gzip or zstd, for example. Package
// codec writes and reads it. The RabbitMQ driver maps it to the property content_encoding and back,
// for names of compressions only, because other programs use that property for a charset.
const HeaderEncoding = "content-encoding"

// Headers of properties, at brokers that have no other place for them. Drivers write them and
// remove them again; users find them in [Message.Properties] only.
const (
	HeaderCorrelationID = "gentask-correlation-id"
	HeaderReplyTo       = "gentask-reply-to"
	HeaderType          = "gentask-type"
	HeaderAppID         = "gentask-app-id"
	HeaderExpiration    = "gentask-expiration" // in milliseconds, decimal
	HeaderSubject       = "gentask-subject"
	HeaderExchange      = "gentask-exchange"
)

// Headers returns an iterator over the headers of the properties that are set: their names and
// values. A nil p has none. It is called by drivers.
func (p *Properties) Headers() iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		if p == nil {
			return
		}
		for _, f := range []struct{ name, value string }{
			{HeaderCorrelationID, p.CorrelationID},
			{HeaderReplyTo, p.ReplyTo},
			{HeaderType, p.Type},
			{HeaderAppID, p.AppID},
			{HeaderExpiration, FormatExpiration(p.Expiration)},
			{HeaderSubject, p.Subject},
			{HeaderExchange, p.Exchange},
		} {
			if f.value != "" && !yield(f.name, f.value) {
				return
			}
		}
	}
}

// SetHeader sets the property whose header has that name, and reports whether there is one. An
// empty or malformed value leaves the property unset. It is called by drivers.
func (p *Properties) SetHeader(name, value string) bool {
	switch name {
	case HeaderCorrelationID:
		p.CorrelationID = value
	case HeaderReplyTo:
		p.ReplyTo = value
	case HeaderType:
		p.Type = value
	case HeaderAppID:
		p.AppID = value
	case HeaderExpiration:
		p.Expiration = ParseExpiration(value)
	case HeaderSubject:
		p.Subject = value
	case HeaderExchange:
		p.Exchange = value
	default:
		return false
	}
	return true
}

// OrNil returns a pointer to a copy of p, or nil if no property is set: a message without
// properties has none, and costs nothing. It is called by drivers.
func (p *Properties) OrNil() *Properties {
	if p == nil || *p == (Properties{}) {
		return nil
	}
	set := *p
	return &set
}

// check returns an error that names the invalid property.
func (p *Properties) check() error {
	if p != nil && p.Expiration < 0 {
		return fmt.Errorf("%w: Message.Properties.Expiration is %v: want 0, for no limit, or more", ErrConfig,
			p.Expiration)
	}
	return nil
}

// FormatExpiration returns the text of an expiration, as AMQP has it: milliseconds in decimal,
// rounded up. It is empty for zero, or less. It is called by drivers.
func FormatExpiration(d time.Duration) string {
	if d <= 0 {
		return ""
	}
	ms := d.Milliseconds()
	if d > time.Duration(ms)*time.Millisecond {
		ms++
	}
	return strconv.FormatInt(ms, 10)
}

// ParseExpiration reverses [FormatExpiration]. It returns zero for a text that is no positive
// number, and the longest duration for a number that is too large. It is called by drivers.
func ParseExpiration(text string) time.Duration {
	ms, _ := strconv.ParseUint(text, 10, 64) // the largest number if it is out of range, zero if it is none
	const most = math.MaxInt64 / uint64(time.Millisecond)
	return time.Duration(min(ms, most)) * time.Millisecond //nolint:gosec // bounded
}
