package gentask

import (
	"errors"
	"time"

	"github.com/gentask/gentask/actor"
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
	type key struct {
		text string
		err  error
	}
	made := make(chan key, 1) // Buffered: a key that comes too late is nobody's.
	go func() {
		var k key
		returned := false
		defer func() {
			if reason := actor.Recovered(recover(), returned); reason != nil {
				k = key{err: reason}
			}
			made <- k
		}()
		k.text = f(*m)
		returned = true
	}()
	late := time.NewTimer(keyLimit)
	defer late.Stop()
	select {
	case k := <-made:
		if k.err != nil {
			return s.noKey(m, k.err)
		}
		return k.text
	case <-late.C:
		return s.noKey(m, errKeyLate)
	}
}

func (s *settings) noKey(m *queue.Message, err error) string {
	s.Logger.Error("gentask: no key: it is run without one", "consumer", s.Name, "job", m.ID, "error", err)
	return ""
}
