package actor

import "context"

// Ref is the address of an actor that takes messages of type T: a PID and its system, with a type
// that the compiler checks. It may be copied, compared and sent. For the zero value, Tell does
// nothing, and [AskRef] returns [ErrNoProcess].
//
// The type is a promise of the code that makes the Ref. The actor gets its messages from [Context]
// as any actor does, and must expect others: any code with the PID can send any message.
type Ref[T any] struct {
	sys *System
	pid *PID
}

// RefTo returns the Ref of the actor pid, whose messages are of type T. A T that is an interface
// stands for all its implementations.
func RefTo[T any](sys *System, pid *PID) Ref[T] { return Ref[T]{sys: sys, pid: pid} }

// PID returns the address without its type, for the other functions of this package.
func (r Ref[T]) PID() *PID { return r.pid }

// Tell posts message to the actor's mailbox, as [Send] does. It never blocks.
func (r Ref[T]) Tell(message T) {
	if r.sys != nil {
		Send(r.sys, r.pid, message)
	}
}

// AskRef sends the message that request returns, and waits for the answer: see [Ask].
func AskRef[T, A any](ctx context.Context, r Ref[T], request func(answer func(A)) T) (A, error) {
	if r.sys == nil {
		var none A
		return none, ErrNoProcess
	}
	return Ask(ctx, r.sys, r.pid, func(answer func(A)) any { return request(answer) })
}
