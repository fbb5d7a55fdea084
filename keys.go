package gentask

import (
	"context"
	"reflect"
	"time"

	"github.com/gentask/gentask/internal/admission"
	"github.com/gentask/gentask/internal/guard"
	"github.com/gentask/gentask/queue"
)

// KeyFunc returns the key of a message, such as the customer that it is for; empty for none. It must
// not change the message, whose headers and body it shares with the job. It is called concurrently.
//
// [Order], [Fairness], [KeyRate] and [KeyBreaker] call it once for each delivery, before it waits for a
// slot. It should be quick, because nothing is received meanwhile. If it panics, calls runtime.Goexit
// or doesn't return within a second, the log has an error, and the message has no key.
type KeyFunc func(msg *queue.Message) string

// KeyHeader returns a key that is the value of a header; empty for a message without that header. New
// refuses one without a name.
func KeyHeader(name string) KeyFunc {
	if name == "" {
		return namelessKey
	}
	return func(msg *queue.Message) string { return msg.Headers[name] }
}

// namelessKey is what KeyHeader makes of an empty name, so that check knows it.
func namelessKey(*queue.Message) string { return "" }

// check refuses a key that no message can have.
func (f KeyFunc) check() error {
	nameless := f != nil && reflect.ValueOf(f).Pointer() == reflect.ValueOf(namelessKey).Pointer()
	return unfitIf(nameless, "Key", `KeyHeader("")`, "the name of a header, such as KeyHeader(\"customer\")")
}

// of calls f with a copy: one that changes the message, or that still runs when the job does, reaches no
// field of the delivery.
func (f KeyFunc) of(m *queue.Message) string {
	msg := *m
	return f(&msg)
}

// keysOf returns the keys of a message; nil if it has none. It is called on the receiver's goroutine: code
// of the user's must not hold up the ledger.
func (s *settings) keysOf(m *queue.Message, received time.Time) *admission.Keys {
	if !s.Policy.keyed() {
		return nil
	}
	k := admission.Keys{
		Order:   s.keyOf(s.hooks.order, s.Policy.Order.Key, m),
		Fair:    s.keyOf(s.hooks.fairness, s.Policy.Fairness.Key, m),
		Rate:    s.keyOf(s.hooks.keyRate, s.Policy.KeyRate.Key, m),
		Breaker: s.keyOf(s.hooks.keyBreaker, s.Policy.KeyBreaker.Key, m),
	}
	if k == (admission.Keys{}) {
		return nil
	}
	if hold := s.Policy.Order.hold(); hold != never {
		k.HoldUntil = received.Add(hold)
	}
	return &k
}

// keyed says that there is something that a message may have a key for.
func (p *Policy) keyed() bool {
	return p.Order.Key != nil || p.Fairness.Key != nil || p.KeyRate.Key != nil || p.KeyBreaker.on()
}

// keyOf is the one place where the user makes a key. Without one, the message is free.
func (s *settings) keyOf(hook *guard.Hook, f KeyFunc, m *queue.Message) string {
	if f == nil {
		return ""
	}
	key, err := guard.Call(context.Background(), hook, func(context.Context) (string, error) { return f.of(m), nil })
	if err != nil {
		s.Logger.Error("gentask: no key: it is run without one", "consumer", s.Name, "job", m.ID, "function", hook.Name(), "error", err)
		return ""
	}
	return keyFrom(key)
}
