package gentask

import (
	"reflect"

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
