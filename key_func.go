package gentask

import (
	"reflect"

	"github.com/gentask/gentask/queue"
)

// KeyFunc returns the key of a message, such as the customer that it is for; empty for none. It
// must not change the message, whose headers and body are shared with the job. It is called
// concurrently.
//
// [Order], [Fairness], [KeyRate], [KeyBreaker] and [FleetPerKey] call it once for each delivery,
// before the delivery waits for a slot. It should be quick, because nothing is received meanwhile.
// If it panics, calls runtime.Goexit or doesn't return within a second, an error is logged, and the
// message has no key.
type KeyFunc func(msg *queue.Message) string

// KeyHeader returns a KeyFunc that returns the value of a header; empty for a message without that
// header. [New] rejects it if name is empty.
func KeyHeader(name string) KeyFunc {
	if name == "" {
		return namelessKey
	}
	return func(msg *queue.Message) string { return msg.Headers[name] }
}

// namelessKey is the KeyFunc of an empty name, by which check recognizes it.
func namelessKey(*queue.Message) string { return "" }

// check rejects a key that no message can have.
func (f KeyFunc) check() error {
	nameless := reflect.ValueOf(f).Pointer() == reflect.ValueOf(namelessKey).Pointer()
	return unfitIf(nameless, "Key", `KeyHeader("")`, "the name of a header, such as KeyHeader(\"customer\")")
}

// of calls f with a copy. An f that changes the message, or still runs when the job does, can't
// change a field of the delivery.
func (f KeyFunc) of(m *queue.Message) string {
	msg := *m
	return f(&msg)
}
