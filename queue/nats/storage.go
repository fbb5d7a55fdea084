package nats

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Storage is an optional capability of an [InProcessServer], which knows the server's files. Both
// methods must be safe for concurrent use.
type Storage interface {
	// Store is called before messages are sent to a stream. The function that it returns is called
	// once, when the server has answered, or nothing more is awaited. It returns nil when all that
	// the server has stored in the stream before is as durable as its publishers were promised. A
	// message is not confirmed otherwise, and an original is not removed before its copy is
	// confirmed.
	Store(stream string) (wait func(context.Context) error)

	// Err returns the reason why the server can't store messages, or nil. It is called when the
	// server has refused a request or ended a connection.
	Err() error
}

// storage returns the capability of the server in this process, or nil.
func (l *link) storage() Storage {
	s, _ := l.socket.server.(Storage)
	return s
}

// storageErr returns the reason why the server in this process can't store messages, or nil.
func (l *link) storageErr() error {
	if s := l.storage(); s != nil {
		return s.Err()
	}
	return nil
}

// blame adds the reason why the server can't store messages to an error that may follow from it.
func (l *link) blame(err error) error {
	if l.storage() == nil || !l.nc.IsClosed() && !errors.Is(err, errUnconfirmed) && !serverFailed(err) {
		return err
	}
	if reason := l.storageErr(); reason != nil {
		return fmt.Errorf("%w: %w", reason, err)
	}
	return err
}

// serverFailed reports whether the server has answered that the fault is its own.
func serverFailed(err error) bool {
	var api *jetstream.APIError
	return errors.As(err, &api) && api.Code >= http.StatusInternalServerError
}

// storing is one stream of a publication.
type storing struct {
	stream string
	wait   func(context.Context) error
	err    error
}

// store announces the messages to the server's storage, if that is known.
func (p *publication) store() []storing {
	s := p.link.storage()
	if s == nil {
		return nil
	}
	var all []storing
	for i := range p.pending {
		stream := streamOf(p.pending[i].msg)
		if !slices.ContainsFunc(all, func(one storing) bool { return one.stream == stream }) {
			all = append(all, storing{stream: stream, wait: s.Store(stream)})
		}
	}
	return all
}

// stored waits until the messages that the server has confirmed are durable.
func (p *publication) stored(ctx context.Context, all []storing) {
	for i := range all {
		all[i].err = all[i].wait(ctx)
	}
	for i := range p.pending {
		one := &p.pending[i]
		for _, s := range all {
			if s.err != nil && one.err == nil && s.stream == streamOf(one.msg) {
				one.err = fmt.Errorf("nats: %w", s.err)
			}
		}
	}
}

// streamOf returns the stream of a message. Only the records of keys have longer subjects.
func streamOf(m *natsgo.Msg) string {
	stream, _, _ := strings.Cut(m.Subject, ".")
	return stream
}
