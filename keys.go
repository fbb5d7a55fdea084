package gentask

import (
	"context"
	"errors"
	"time"

	"github.com/gentask/gentask/queue"
)

// keyLimit is how long a key function may take.
const keyLimit = time.Second

var errKeyLate = errors.New("gentask: key function did not return within a second")

// termsOf makes the keys of a message; nil if it has none. It is called in the line's goroutine: code of the user's must not hold up the ledger.
func (s *settings) termsOf(m *queue.Message) *terms {
	if !s.Policy.keyed() {
		return nil
	}
	t := terms{
		order: s.keyOf(s.Policy.Order.Key, m), fair: s.keyOf(s.Policy.Fairness.Key, m), rate: s.keyOf(s.Policy.KeyRate.Key, m),
		circuit: s.keyOf(s.Policy.KeyBreaker.Key, m),
	}
	if t == (terms{}) {
		return nil
	}
	return &t
}

// keyed says that there is something that a message may have a key for.
func (p *Policy) keyed() bool {
	return p.Order.Key != nil || p.Fairness.Key != nil || p.KeyRate.Key != nil || p.KeyBreaker.on()
}

// keyOf is the one place where the user makes a key. Without one, the message is free.
func (s *settings) keyOf(f func(queue.Message) string, m *queue.Message) string {
	if f == nil {
		return ""
	}
	ctx, cancel := context.WithTimeoutCause(context.Background(), keyLimit, errKeyLate)
	defer cancel()
	key, err := contain(ctx, func(context.Context) (string, error) { return f(*m), nil })
	if err != nil {
		s.Logger.Error("gentask: no key: it is run without one", "consumer", s.Name, "job", m.ID, "error", err)
		return ""
	}
	return key
}
