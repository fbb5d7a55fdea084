package nats

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Storage is an optional capability of an [InProcessServer], which owns the server's files. Both
// methods must be safe for concurrent use.
type Storage interface {
	// Sync returns nil when the messages that the server has stored in the stream are as durable as
	// their publishers were promised. A message is not confirmed otherwise, and an original is not
	// removed before its copy is confirmed.
	Sync(ctx context.Context, stream string) error

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

// sync waits until the messages that the server has confirmed are durable.
func (p *publication) sync(ctx context.Context) {
	s := p.link.storage()
	if s == nil {
		return
	}
	results := map[string]error{} // by stream
	for i := range p.pending {
		one := &p.pending[i]
		if one.err != nil {
			continue
		}
		stream := streamOf(one.msg)
		err, synced := results[stream]
		if !synced {
			err = s.Sync(ctx, stream)
			results[stream] = err
		}
		if err != nil {
			one.err = fmt.Errorf("nats: %w", err)
		}
	}
}

// streamOf returns the stream of a message. Only the records of keys have longer subjects.
func streamOf(m *natsgo.Msg) string {
	stream, _, _ := strings.Cut(m.Subject, ".")
	return stream
}
