package rabbitmq

import (
	"fmt"
	"regexp"
	"strconv"
	"time"

	"github.com/gentask/gentask/queue"
)

// sizeError is the error of a channel that has ended because of a message that is larger than the
// broker takes. The broker does not identify the message among those in flight.
type sizeError struct {
	limit int
	err   error
}

// Error returns the broker's text.
func (e *sizeError) Error() string { return e.err.Error() }

// Unwrap returns the broker's error.
func (e *sizeError) Unwrap() error { return e.err }

// tooLarge matches RabbitMQ's error about a body beyond max_message_size.
var tooLarge = regexp.MustCompile(`message size \d+ is larger than (?:configured )?max size (\d+)`)

// sizeLimitOf returns the limit in the broker's text, and 0 if there is none.
func sizeLimitOf(reason string) int {
	m := tooLarge.FindStringSubmatch(reason)
	if m == nil {
		return 0
	}
	limit, err := strconv.Atoi(m[1])
	if err != nil {
		return 0
	}
	return limit
}

// sizeLimit is the known limit for a body.
type sizeLimit struct {
	bytes int
	until time.Time // it may have been raised afterwards
}

// limitKept is the time for which a limit is remembered. After it one message may cost a connection
// again.
const limitKept = time.Minute

// checkSize refuses a body for which the broker would end the connection, as far as its limit is
// known.
func (p *publisher) checkSize(o outgoing) error {
	l := p.limit.Load()
	if l == nil || len(o.msg.Body) <= l.bytes || time.Now().After(l.until) {
		return nil
	}
	return fmt.Errorf("rabbitmq: %w: the body has %d bytes, max_message_size is %d", queue.ErrTooLarge, len(o.msg.Body),
		l.bytes)
}

// learn records the broker's limit.
func (p *publisher) learn(limit int) {
	p.limit.Store(&sizeLimit{bytes: limit, until: time.Now().Add(limitKept)})
}
