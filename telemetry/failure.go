package telemetry

import (
	"errors"
	"fmt"
	"reflect"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/semconv/v1.43.0"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/internal/guard"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/task"
)

// classes are the values of error.type that are no names of types. The first one that fits counts.
var classes = []struct {
	name string
	fits func(sealed error) bool
}{
	{"panic", is[*actor.PanicError]},
	{"goexit", wraps(actor.ErrGoexit)},
	{"timeout", wraps(task.ErrTimeout)},
	{"cancelled", wraps(gentask.ErrCancelled)},
	{"drained", wraps(gentask.ErrDrained)},
	{"session_lost", wraps(queue.ErrSessionLost)},
	{"expired", wraps(gentask.ErrExpired)},
	{"undecodable", is[*gentask.DecodeError]},
	{"returned", wraps(gentask.ErrReturned)},
}

func is[E error](err error) bool {
	_, found := guard.As[E](err)
	return found
}

func wraps(target error) func(error) bool {
	return func(err error) bool { return guard.Is(err, target) }
}

// failed reports whether a sealed error, which a job has returned, is a failure: any error but a
// [gentask.Decision] that settles without one, such as a Snooze.
func failed(sealed error) bool {
	if sealed == nil {
		return false
	}
	d, found := guard.As[gentask.Decision](sealed)
	switch d.Disposition() {
	case queue.Ack, queue.Release:
		return !found
	case queue.Requeue, queue.DeadLetter:
	}
	return true
}

// errorType returns the attribute error.type of a sealed error: one of classes, or the name of its
// type. It never contains the error's text, and calls no method of the error.
func errorType(sealed error) attribute.KeyValue {
	for _, c := range classes {
		if c.fits(sealed) {
			return semconv.ErrorTypeKey.String(c.name)
		}
	}
	return semconv.ErrorTypeKey.String(typeName(sealed))
}

// wrapper is the type of the errors of fmt.Errorf with one %w.
var wrapper = reflect.TypeOf(fmt.Errorf("%w", errors.ErrUnsupported))

// typeName returns the name of the type of the first error that is no mere wrapper.
func typeName(err error) string {
	for range 100 {
		inner := error(nil)
		switch e := err.(type) { //nolint:errorlint // this node
		case *guard.SealedError:
			if inner = e.Unwrap(); inner == nil {
				return other
			}
		case *gentask.AttemptsError:
			inner = e.Err
		case *gentask.HoldError:
			inner = e.Err
		case gentask.Decision:
			inner = e.Unwrap()
		default:
			if reflect.TypeOf(err) == wrapper {
				inner = errors.Unwrap(err)
			}
		}
		if inner == nil {
			return reflect.TypeOf(err).String()
		}
		err = inner
	}
	return other
}

// other is the error.type of an error whose type can't be told.
const other = "_OTHER"
