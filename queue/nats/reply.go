package nats

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/gentask/gentask/queue"
)

// ReplyTo returns a publisher of answers to a subject, which is the [queue.Properties.ReplyTo] of a
// request, such as the inbox of a client. Publish returns when the server has read the answers.
// They go to the subscribers of that moment, and are stored only if a stream has the subject: NATS
// confirms no others. The server drops an answer that the user may not publish, which Publish may
// not notice.
//
// The publisher supports neither NotBefore, Priority nor UniqueKey. It may be kept, and is safe for
// concurrent use.
func (b *Broker) ReplyTo(subject string) queue.Publisher { return replies{broker: b, subject: subject} }

// replies implements queue.Publisher.
type replies struct {
	broker  *Broker
	subject string
}

// Publish implements [queue.Publisher].
func (r replies) Publish(ctx context.Context, msgs ...queue.Message) error {
	if len(msgs) == 0 {
		return nil
	}
	msgs = slices.Clone(msgs)
	for i := range msgs {
		msgs[i] = complete(msgs[i])
	}
	errs := make([]error, len(msgs))
	l, err := r.broker.publisher(ctx)
	if err == nil {
		err = r.send(ctx, l, msgs, errs)
	}
	var failed []queue.PublishFailure
	for i, one := range errs {
		if one = cmp.Or(one, err); one != nil {
			failed = append(failed, queue.PublishFailure{ID: msgs[i].ID, Err: fmt.Errorf("nats: answer: %w", one)})
		}
	}
	if failed != nil {
		return &queue.PublishError{Failed: failed}
	}
	return nil
}

// send writes msgs, and waits until the server has read them. It sets an error for each that can't
// be sent, and returns that of all others.
func (r replies) send(ctx context.Context, l *link, msgs []queue.Message, errs []error) error {
	for i := range msgs {
		if errs[i] = r.check(&msgs[i]); errs[i] == nil {
			errs[i] = l.write(ctx, func() error { return l.nc.PublishMsg(encode(r.subject, "", msgs[i])) })
		}
	}
	if err := flush(ctx, l.nc); err != nil {
		return l.answer(ctx, err)
	}
	return nil
}

// check returns an error for an address that is none, and for a message that can't be published to
// it.
func (r replies) check(m *queue.Message) error {
	switch err := m.Check(); {
	case err != nil:
		return err
	case r.subject == "" || strings.ContainsAny(r.subject, "*> \t\r\n") || strings.Contains("."+r.subject+".", ".."):
		return fmt.Errorf("%w: the subject for answers is %.40q: right would be the ReplyTo of a request",
			queue.ErrConfig, r.subject)
	case !m.NotBefore.IsZero() || m.Priority != 0 || m.UniqueKey != "":
		return fmt.Errorf("%w: an answer has NotBefore, Priority or UniqueKey: right would be none of them",
			queue.ErrUnsupported)
	}
	return nil
}
