package rabbitmq

import (
	"errors"
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

// sizeRefused returns the size error among errs, and records its limit. It returns nil if there is
// none.
func (p *publisher) sizeRefused(errs []error) *sizeError {
	for _, err := range errs {
		var size *sizeError
		if errors.As(err, &size) {
			p.limit.Store(&sizeLimit{bytes: size.limit, until: time.Now().Add(limitKept)})
			return size
		}
	}
	return nil
}

// unharmed returns the messages to publish again: those that were in flight together with one that
// is too large, and are not too large themselves. It sets the error of the others.
func (p *publisher) unharmed(out []outgoing, errs []error) (again []outgoing, at []int) {
	for i, o := range out {
		var size *sizeError
		if !errors.As(errs[i], &size) {
			continue
		}
		if err := p.checkSize(o); err != nil {
			errs[i] = err
			continue
		}
		again, at = append(again, o), append(at, i)
	}
	return again, at
}
