package rabbitmq

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/gentask/gentask/queue"
	amqp "github.com/rabbitmq/amqp091-go"
)

// faultError is the error of the messages that were in flight when the broker closed the channel
// because of one of them. The broker does not say which one.
type faultError struct{ err error }

// Error returns the broker's text.
func (e *faultError) Error() string { return e.err.Error() }

// Unwrap returns the broker's error.
func (e *faultError) Unwrap() error { return e.err }

// lostBecause returns the error of the messages without a confirm, for the reason why the channel
// has ended. RabbitMQ answers 406 to a message that is too large, or has a property that is not
// valid; it refuses missing rights to all messages alike.
func lostBecause(reply *amqp.Error) error {
	if reply == nil { // after our own close
		return ErrUnconfirmed
	}
	err := fmt.Errorf("%w: %w", ErrUnconfirmed, explain(reply))
	if reply.Server && reply.Code == amqp.PreconditionFailed {
		return &faultError{err}
	}
	return err
}

// mostRounds is how often the messages of a closed channel are published together again. Several
// calls may have a guilty message each, and close one channel after the other.
const mostRounds = 4

// publishUnharmed is publishChunk, and publishes again the messages that were in flight together
// with one that the broker does not take. That one is found by its size, or else by publishing one
// at a time, over a connection where it harms no other.
func (p *publisher) publishUnharmed(ctx context.Context, out []outgoing) []error {
	errs := p.publishChunk(ctx, out)
	for range mostRounds {
		again, at := p.innocents(out, errs)
		if len(again) == 0 {
			return errs
		}
		if !p.bySize(errs) {
			break
		}
		for i, err := range p.publishChunk(ctx, again) {
			errs[at[i]] = err
		}
	}
	p.oneByOne(ctx, out, errs)
	return errs
}

// innocents returns the messages to publish again, and their indexes. It sets the error of those
// that are known to be too large.
func (p *publisher) innocents(out []outgoing, errs []error) (again []outgoing, at []int) {
	p.bySize(errs) // records the limit
	for i, o := range out {
		var fault *faultError
		if !errors.As(errs[i], &fault) {
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

// bySize reports whether the channel was closed because of a size, and records its limit.
func (p *publisher) bySize(errs []error) (found bool) {
	for _, err := range errs {
		var size *sizeError
		if errors.As(err, &size) {
			p.learn(size.limit)
			found = true
		}
	}
	return found
}

// oneByOne publishes the messages with a faultError one at a time. The broker's answer is then
// about that message.
func (p *publisher) oneByOne(ctx context.Context, out []outgoing, errs []error) {
	var alone *pubConn
	var blocked atomic.Pointer[string]
	defer func() {
		if alone != nil {
			alone.close()
		}
	}()
	for i, o := range out {
		var fault *faultError
		if !errors.As(errs[i], &fault) {
			continue
		}
		if !alone.alive() {
			if alone != nil {
				alone.close()
			}
			if alone, errs[i] = p.connect(ctx, &blocked); errs[i] != nil {
				continue
			}
		}
		errs[i] = p.verdict(o, alone.publish(ctx, out[i:i+1])[0])
	}
}

// verdict returns the error of a message that was published alone.
func (p *publisher) verdict(o outgoing, err error) error {
	var fault *faultError
	if !errors.As(err, &fault) {
		return err
	}
	if p.bySize([]error{err}) {
		if tooLarge := p.checkSize(o); tooLarge != nil {
			return tooLarge
		}
	}
	var reply *amqp.Error
	errors.As(fault, &reply) // a faultError wraps one
	return fmt.Errorf("rabbitmq: %w: message %q: the broker does not take it: %s: want properties that it takes",
		queue.ErrConfig, o.msg.MessageId, reply.Reason)
}
