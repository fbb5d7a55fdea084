package nats

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/gentask/gentask/queue"
)

// maxInFlight is the most messages of one publication that wait for their confirms, so that a large
// batch does not flood the server.
const maxInFlight = 1024

// publication is a batch of messages that are being published. Each is confirmed or fails
// separately.
type publication struct {
	link     *link
	pending  []pendingMsg
	patience *time.Timer // fires when no more confirms arrive
	over     bool        // reports whether patience has fired
}

// pendingMsg is one message, in the order of publishing.
type pendingMsg struct {
	msg *natsgo.Msg
	to  string // the stream that must store it
	id  string
	ack jetstream.PubAckFuture
	err error

	denials int // number of denials of its subject before it was sent

	done      bool // it is known to be there, and is not sent
	duplicate bool // the server has dropped it
}

func (p *publication) add(to string, msg *natsgo.Msg, id string) {
	p.pending = append(p.pending, pendingMsg{msg: msg, to: to, id: id})
}

// refuse prevents the message that was added last from being sent, unless err is nil.
func (p *publication) refuse(err error) { p.pending[len(p.pending)-1].err = err }

// confirmTimeout is the time without any confirm after which the waiting messages fail. A leader
// that was lost takes the messages sent to it along, and no error follows. The time is longer than
// a disk is slow, and starts again with each confirm.
const confirmTimeout = 5 * time.Second

// confirm sends everything, waits for the confirms, and until all is durable. It returns the
// failures, in order. It ends when ctx ends, and confirmTimeout after the last confirm.
func (p *publication) confirm(ctx context.Context) []queue.PublishFailure {
	for some := range slices.Chunk(p.pending, maxInFlight) {
		p.send(ctx, some)
		p.patience = time.NewTimer(confirmTimeout)
		for i := range some {
			p.wait(ctx, &some[i])
		}
		p.patience.Stop()
	}
	p.sync(ctx)
	return p.failures()
}

// failures returns the messages without a confirm, in order.
func (p *publication) failures() []queue.PublishFailure {
	var failed []queue.PublishFailure
	for _, one := range p.pending {
		if one.err != nil {
			failed = append(failed, queue.PublishFailure{ID: one.id, Err: one.err})
		}
	}
	return failed
}

func (p *publication) send(ctx context.Context, some []pendingMsg) {
	_ = p.link.write(ctx, func() error {
		for i := range some {
			if some[i].err == nil {
				some[i].err = p.hopeless(ctx)
			}
			if some[i].err == nil && !some[i].done {
				some[i].denials, _ = p.link.denials.of(some[i].msg.Subject)
				some[i].ack, some[i].err = p.link.js.PublishMsgAsync(some[i].msg)
			}
		}
		return nil
	})
}

// hopeless returns the reason why nothing more is sent, or nil.
func (p *publication) hopeless(ctx context.Context) error {
	if p.over {
		return errUnconfirmed
	}
	return ctx.Err()
}

// wait waits for the confirm of one message.
func (p *publication) wait(ctx context.Context, one *pendingMsg) {
	if one.err == nil && one.done {
		one.duplicate = true
		return
	}
	if one.err == nil && p.confirmed(ctx, one) {
		p.patience.Reset(confirmTimeout)
		return
	}
	one.err = p.failure(ctx, one)
}

func (p *publication) confirmed(ctx context.Context, one *pendingMsg) bool {
	select {
	case ack := <-one.ack.Ok():
		return one.stored(ack) // also when nothing was, for too long
	default:
	}
	if p.over {
		one.err = errUnconfirmed
		return false
	}
	for {
		times, next := p.link.denials.of(one.msg.Subject)
		if times > one.denials {
			one.err = denied(one.msg.Subject)
			return false
		}
		select {
		case ack := <-one.ack.Ok():
			return one.stored(ack)
		case one.err = <-one.ack.Err():
		case <-p.link.lost:
			one.err = p.link.why()
		case <-ctx.Done():
			one.err = ctx.Err()
		case <-p.patience.C:
			one.err, p.over = errUnconfirmed, true
		case <-next:
			continue
		}
		return false
	}
}

// stored reports whether a confirm is the right stream's. A subject can be another stream's since
// the queue was found, or be mapped to another one.
func (m *pendingMsg) stored(ack *jetstream.PubAck) bool {
	m.duplicate = ack.Duplicate
	if ack.Stream != m.to {
		m.err = fmt.Errorf("%w: subject %q is stored by stream %q, must be %q", queue.ErrConfig, m.msg.Subject,
			ack.Stream, m.to)
	}
	return m.err == nil
}

// Error codes of JetStream for a message that exceeds the limit of its stream.
const (
	messageTooLarge jetstream.ErrorCode = 10054
	headerTooLarge  jetstream.ErrorCode = 10097
)

// tooLarge reports whether err is the refusal of a message because of its size.
func tooLarge(err error) bool {
	var api *jetstream.APIError
	return errors.As(err, &api) && (api.ErrorCode == messageTooLarge || api.ErrorCode == headerTooLarge)
}

// failure returns the error of one message, with the remedy if it is known.
func (p *publication) failure(ctx context.Context, one *pendingMsg) error {
	err := p.link.answer(ctx, one.err)
	switch {
	case errors.Is(err, natsgo.ErrMaxPayload):
		return fmt.Errorf("nats: %w: %d bytes of body and headers, and the server's max_payload is %d: %w",
			queue.ErrTooLarge, one.msg.Size(), p.link.nc.MaxPayload(), err)
	case tooLarge(err):
		return fmt.Errorf("nats: %w: %w", queue.ErrTooLarge, err)
	case errors.Is(err, jetstream.ErrNoStreamResponse):
		return fmt.Errorf("nats: no stream stores subject %q: the stream was deleted, or JetStream is off: %w",
			one.msg.Subject, err)
	}
	return fmt.Errorf("nats: %w", err)
}
