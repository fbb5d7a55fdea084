package gentask

import (
	"context"
	"time"

	"github.com/gentask/gentask/internal/admission"
	"github.com/gentask/gentask/internal/guard"
	"github.com/gentask/gentask/queue"
)

// keysOf returns the keys of a message; nil if it has none. It is called on the receiver's
// goroutine: user code must not hold up the ledger.
func (s *settings) keysOf(m *queue.Message, received time.Time) *admission.Keys {
	k := admission.Keys{
		Order:   s.keyOf(s.hooks.order, s.Policy.Order.Key, m),
		Fair:    s.keyOf(s.hooks.fairness, s.Policy.Fairness.Key, m),
		Rate:    s.keyOf(s.hooks.keyRate, s.Policy.KeyRate.Key, m),
		Breaker: s.keyOf(s.hooks.keyBreaker, s.Policy.KeyBreaker.Key, m),
		Fleet:   s.keyOf(s.hooks.fleetKey, s.Policy.Fleet.PerKey.Key, m),
	}
	if k == (admission.Keys{}) {
		return nil
	}
	kept := k // of its own, so that a job without a key allocates nothing
	if hold := s.Policy.Order.hold(); hold != never {
		kept.HoldUntil = received.Add(hold)
	}
	return &kept
}

// keyOf is the one place where the user makes a key. Without one, the message is free.
func (s *settings) keyOf(hook *guard.Hook, f KeyFunc, m *queue.Message) string {
	if f == nil {
		return ""
	}
	key, err := guard.Call(context.Background(), hook, func(context.Context) (string, error) { return f.of(m), nil })
	if err != nil {
		s.Logger.Error("gentask: no key: it is run without one", keyJob, m.ID, "function", hook.Name(), keyError, err)
		return ""
	}
	return keyFrom(key)
}
