package rabbitmq

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"time"

	"github.com/gentask/gentask/queue"
)

// sizeError is why a channel has ended on which somebody published a message that is larger than the broker takes. The broker does not say which
// of those in flight it was.
type sizeError struct {
	limit int
	err   error
}

// Error says what the broker said.
func (e *sizeError) Error() string { return e.err.Error() }

// Unwrap returns the broker's error.
func (e *sizeError) Unwrap() error { return e.err }

// tooLarge is how RabbitMQ says that a body is beyond max_message_size.
var tooLarge = regexp.MustCompile(`message size \d+ is larger than (?:configured )?max size (\d+)`)

// sizeLimitOf returns the limit that a reply of the broker names; 0 if it names none.
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

// sizeLimit is what is known of the largest body that the broker takes.
type sizeLimit struct {
	bytes int
	until time.Time // it may have been raised since
}

// limitKept is for how long a limit is believed. When that is over, one message may cost a connection again.
const limitKept = time.Minute

// checkSize refuses a body that the broker would end the connection for, as far as that is known.
func (p *publisher) checkSize(o outgoing) error {
	l := p.limit.Load()
	if l == nil || len(o.msg.Body) <= l.bytes || time.Now().After(l.until) {
		return nil
	}
	return fmt.Errorf("rabbitmq: %w: the body has %d bytes, max_message_size is %d", queue.ErrTooLarge, len(o.msg.Body), l.bytes)
}

// sizeRefused returns the size error among errs, and notes its limit; nil if there is none.
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

// unharmed returns what was in flight together with a message that is too large, and is not too large itself: it is published again. It gives the
// others their error.
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
