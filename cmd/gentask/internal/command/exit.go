package command

import (
	"context"
	"errors"
	"fmt"
	"net"

	"github.com/gentask/gentask/cmd/gentask/internal/broker"
	"github.com/gentask/gentask/fleet"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/embedded"
	"github.com/gentask/gentask/queue/nats"
	"github.com/gentask/gentask/queue/rabbitmq"
)

// The exit codes.
const (
	ExitDone        = 0   // all was done, and nothing is wrong
	ExitFound       = 1   // something is wrong, or not all was done
	ExitUsage       = 2   // a command, a flag or an argument is wrong
	ExitAway        = 3   // the broker does not answer, refuses the login, or is in use by another process
	ExitMissing     = 4   // there is no such queue, letter, plan, job or node
	ExitInterrupted = 130 // a signal has ended it
)

// failure is an error with its exit code.
type failure struct {
	code int
	err  error
}

// Error returns the text of the error.
func (f *failure) Error() string { return f.err.Error() }

// Unwrap returns the error.
func (f *failure) Unwrap() error { return f.err }

func usagef(format string, args ...any) error {
	return &failure{ExitUsage, fmt.Errorf(format, args...)}
}

func missingf(format string, args ...any) error {
	return &failure{ExitMissing, fmt.Errorf(format, args...)}
}

func foundf(format string, args ...any) error {
	return &failure{ExitFound, fmt.Errorf(format, args...)}
}

// errInterrupted is the cause of the end of a command by a signal.
var errInterrupted = errors.New("interrupted")

// codeOf returns the exit code of an error; ExitDone for nil.
func codeOf(err error) int {
	var f *failure
	var dial *net.OpError
	is := func(targets ...error) bool {
		for _, target := range targets {
			if errors.Is(err, target) {
				return true
			}
		}
		return false
	}
	switch {
	case err == nil:
		return ExitDone
	case is(errInterrupted, context.Canceled):
		return ExitInterrupted
	case errors.As(err, &f):
		return f.code
	case is(broker.ErrNoQueue, queue.ErrNoRecord, fleet.ErrUnknownNode):
		return ExitMissing
	case is(broker.ErrURL, broker.ErrNoPeek, broker.ErrNoList):
		return ExitUsage
	case is(broker.ErrAway, queue.ErrUnavailable, embedded.ErrInUse, nats.ErrRefused, nats.ErrNoJetStream,
		rabbitmq.ErrRefused, context.DeadlineExceeded), errors.As(err, &dial):
		return ExitAway
	case is(queue.ErrConfig, queue.ErrUnsupported):
		return ExitUsage
	}
	return ExitFound
}
