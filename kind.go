package gentask

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"time"

	"github.com/gentask/gentask/queue"
)

// Kind is one of several kinds of messages in a queue: a name, and the type of its payload.
// Publishers and consumers share it, so that they can't disagree. Make one with [NewKind]. A Kind
// is a small value that may be copied. Its methods are safe for concurrent use.
type Kind[T any] struct {
	name   string
	encode func(v any) (queue.Message, error) // nil means encodeJSON
}

// NewKind returns the kind with that name, which is sent in the header [queue.HeaderKind]. An empty
// name is an error when the kind is used. A kind named [AnyKind] stands for messages without the
// header, and for the kinds that a [MuxKinds] does not list. It can be handled, but not published.
func NewKind[T any](name string) Kind[T] { return Kind[T]{name: name} }

// Name returns the kind's name.
func (k Kind[T]) Name() string { return k.name }

// WithEncoder returns a copy of k whose messages are made by encode, such as Encode of a codec.Set.
// The consumer's [Config.Decode] must be able to read them. Nil means JSON, and for a []byte or a
// string the payload as it is, as [DecodeJSON] reads them.
func (k Kind[T]) WithEncoder(encode func(v any) (queue.Message, error)) Kind[T] {
	k.encode = encode
	return k
}

// Message returns a message of the kind with v as its payload. At most one message may be given as
// with: its ID, Headers, Time, NotBefore, Priority, UniqueKey, UniqueUntil and Properties are taken
// over. Message returns an error that wraps [ErrConfig] for a name that can't be published. It does
// so, too, for more than one message, and for one that has a body or a content type. It returns the
// encoder's error for a v that can't be encoded.
func (k Kind[T]) Message(v T, with ...queue.Message) (queue.Message, error) {
	if err := k.check(with); err != nil {
		return queue.Message{}, err
	}
	encode := k.encode
	if encode == nil {
		encode = encodeJSON
	}
	encoded, err := encode(v)
	if err != nil {
		return queue.Message{}, fmt.Errorf("gentask: encode a %s as kind %q: %w", typeName[T](), k.name, err)
	}
	m := encoded
	if len(with) == 1 {
		m = with[0]
		m.Body, m.ContentType = encoded.Body, encoded.ContentType
	}
	headers := make(map[string]string, len(m.Headers)+len(encoded.Headers)+1)
	maps.Copy(headers, m.Headers)
	maps.Copy(headers, encoded.Headers) // the decoder goes by these
	headers[queue.HeaderKind] = k.name
	m.Headers = headers
	return m, nil
}

func (k Kind[T]) check(with []queue.Message) error {
	switch {
	case k.name == "" || k.name == AnyKind:
		return fmt.Errorf("%w: name of a kind is %q; want one that a message can have", ErrConfig, k.name)
	case len(with) > 1:
		return fmt.Errorf("%w: kind %q: %d messages to take over; want one at most", ErrConfig, k.name, len(with))
	case len(with) == 1 && (with[0].Body != nil || with[0].ContentType != ""):
		return fmt.Errorf(
			"%w: kind %q: message to take over has a body or a content type; "+
				"want neither, for they are made of the payload", ErrConfig, k.name)
	}
	return nil
}

// Publish publishes v as a [Kind.Message]. The result has the message's ID, and whether the broker
// dropped it as a duplicate (see [queue.PublishResults]). Publish returns the error of either step,
// which is the result's Err, too. To publish several messages, one call of [queue.PublishResults]
// costs less.
func (k Kind[T]) Publish(
	ctx context.Context, p queue.Publisher, v T, with ...queue.Message,
) (queue.PublishResult, error) {
	m, err := k.Message(v, with...)
	if err != nil {
		return queue.PublishResult{Err: err}, err
	}
	results, err := queue.PublishResults(ctx, p, m)
	if len(results) != 1 {
		return queue.PublishResult{ID: m.ID, Err: err}, err // a driver's mistake
	}
	return results[0], err
}

// encodeJSON is the counterpart of DecodeJSON.
func encodeJSON(v any) (queue.Message, error) {
	switch v := v.(type) {
	case []byte:
		return queue.Message{Body: v}, nil
	case string:
		return queue.Message{Body: []byte(v)}, nil
	}
	body, err := json.Marshal(v)
	return queue.Message{Body: body, ContentType: "application/json"}, err
}

// KindOptions are the settings of one kind that differ from the consumer's. The zero value changes
// nothing.
type KindOptions struct {
	// Timeout replaces [Config.Timeout] for this kind. Zero means Config.Timeout, -1 no limit.
	Timeout time.Duration

	// MaxAttempts replaces [Retry.MaxAttempts] of the consumer for this kind; it may be higher or
	// lower. Zero means that of the consumer, -1 that attempts never end. A [Rule] may end them
	// earlier.
	MaxAttempts int
}

// KindHandler is a kind with its behaviour, for [MuxKinds]. Make one with [Kind.Handle] or
// [Kind.With].
type KindHandler struct {
	name     string
	behavior Behavior
	options  []KindOptions
}

// Handle returns the kind with a function that does its jobs: see the function [Handle]. At most
// one KindOptions may be given.
func (k Kind[T]) Handle(f func(ctx context.Context, payload T) error, opts ...KindOptions) KindHandler {
	return k.With(Handle(f), opts...)
}

// With returns the kind with a behaviour made by [Work], [Actor], [Batch] or [Mux]. The behaviour's
// payload must be a T, or another type that its body can be decoded into. At most one KindOptions
// may be given.
func (k Kind[T]) With(b Behavior, opts ...KindOptions) KindHandler {
	return KindHandler{name: k.name, behavior: b, options: opts}
}
