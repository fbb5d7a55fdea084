package nats

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/gentask/gentask/queue"
)

// After a restart the server's duplicate window has only the ids of messages that it still stores:
// those of settled ones are forgotten. A key must outlive its message, so each one that was
// enqueued leaves a record in a stream beside the queue, for the length of the window. The record
// is written after the message; between the two, the server's own window holds.

// keyed is a message with a unique key that is being published.
type keyed struct {
	at      int    // its index in the publication
	subject string // the subject of its record
}

// keySubject returns the subject of a key's record. Keys have any length and any characters.
func keySubject(name, key string) string {
	sum := sha256.Sum256([]byte(key))
	return name + keysSuffix + "." + hex.EncodeToString(sum[:])
}

// withKeys publishes the messages of p, each key once within the window.
func (q *Queue) withKeys(ctx context.Context, p *publication, keys []keyed) []queue.PublishFailure {
	for _, k := range keys {
		one := &p.pending[k.at]
		if one.err == nil {
			one.done, one.err = q.known(ctx, p.link, k.subject)
		}
	}
	p.confirm(ctx)
	records := publication{link: p.link}
	var recorded []int
	for _, k := range keys {
		if one := p.pending[k.at]; one.err == nil && !one.done {
			records.add(q.name+keysSuffix, &natsgo.Msg{Subject: k.subject}, one.id)
			recorded = append(recorded, k.at)
		}
	}
	records.confirm(ctx)
	for i, at := range recorded {
		p.pending[at].err = records.pending[i].err // when it is published again, it is dropped, and recorded
	}
	return p.failures()
}

// known reports whether there is a record.
func (q *Queue) known(ctx context.Context, l *link, subject string) (bool, error) {
	if err := q.ensureKeys(ctx, l); err != nil {
		return false, err
	}
	answer, err := ask(ctx, l, func(ctx context.Context) (*natsgo.Msg, error) {
		return l.nc.RequestWithContext(ctx, l.api+"DIRECT.GET."+q.name+keysSuffix+"."+subject, nil)
	})
	if err != nil {
		q.broker.remember(l, q.name+keysSuffix, false)
		return false, fmt.Errorf("records of unique keys: %w", err)
	}
	switch status := answer.Header.Get("Status"); status {
	case "":
		return true, nil
	case "404":
		return false, nil
	default:
		return false, fmt.Errorf("records of unique keys: %s %s", status,
			answer.Header.Get("Description")) //nolint:err113 // the server's words
	}
}

// ensureKeys creates the stream of records, or updates its window to the queue's. It changes
// nothing else of a stream that exists.
func (q *Queue) ensureKeys(ctx context.Context, l *link) error {
	name := q.name + keysSuffix
	if q.broker.hasFound(l, name) {
		return nil
	}
	stream, err := ask(ctx, l, func(ctx context.Context) (*info, error) { return l.streamInfo(ctx, q.name) })
	if err != nil {
		return fmt.Errorf("stream %q: %w", q.name, err)
	}
	have, err := q.broker.findStream(ctx, l, name, q.keysConfig(stream.Config))
	if err != nil {
		return fmt.Errorf("stream %q: %w", name, err)
	}
	if err := mismatch("stream", name, keyRules(name).differences(have)); err != nil {
		return err
	}
	if have.duration("max_age") != stream.Config.duration("duplicate_window") {
		if err := widen(ctx, l, name, stream.Config.duration("duplicate_window")); err != nil {
			return fmt.Errorf("stream %q: %w", name, err)
		}
	}
	q.broker.remember(l, name, true)
	return nil
}

// keysConfig returns the configuration of a new stream of records. If it is full, it refuses a key,
// and forgets none.
func (q *Queue) keysConfig(stream properties) jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name:              q.name + keysSuffix,
		Description:       "gentask unique keys",
		Subjects:          []string{q.name + keysSuffix + ".*"},
		Storage:           jetstream.FileStorage,
		Discard:           jetstream.DiscardNew,
		MaxBytes:          q.broker.config.MaxBytes,
		Replicas:          int(stream.number("num_replicas")),
		MaxAge:            stream.duration("duplicate_window"),
		MaxMsgsPerSubject: 1,
		AllowDirect:       true,
	}
}

// widen sets how long a stream of records keeps each.
func widen(ctx context.Context, l *link, name string, window time.Duration) error {
	s, err := ask(ctx, l, func(ctx context.Context) (jetstream.Stream, error) { return l.js.Stream(ctx, name) })
	if err != nil {
		return err
	}
	config := s.CachedInfo().Config
	config.MaxAge = window
	_, err = ask(ctx, l, func(ctx context.Context) (jetstream.Stream, error) { return l.js.UpdateStream(ctx, config) })
	return err
}
