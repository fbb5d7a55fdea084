package chaos

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"time"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/nats"
	"github.com/gentask/gentask/queue/rabbitmq"
)

// Kind is a kind of queue. The set is closed, but for those of Bring.
type Kind string

// The kinds.
const (
	Quorum  Kind = "RabbitMQ quorum"
	Classic Kind = "RabbitMQ classic"
	Stream  Kind = "JetStream"
	Stream3 Kind = "JetStream, 3 replicas"
)

// Guest is a queue of a kind that another module brings.
type Guest interface {
	queue.Source
	queue.Publisher
	queue.Inspector
	queue.BacklogReporter

	// DeadLetters returns so many dead letters at most.
	DeadLetters(ctx context.Context, limit int) ([]queue.Message, error)

	// Delete deletes the queue with everything in it.
	Delete(ctx context.Context) error

	// Close ends the client; sessions go on.
	Close() error
}

// guests are the kinds of Bring.
var guests = map[Kind]func(at, name string) (Guest, error){}

// Bring adds a kind, whose queues open returns, by the URL of a server and the name of a queue. It
// must be called before Child and everything else.
func Bring(kind Kind, open func(at, name string) (Guest, error)) { guests[kind] = open }

// lease is that of JetStream queues: what a dead process held comes back after it.
const lease = time.Second

// Endpoint is a queue as one client sees it.
type Endpoint struct {
	queue.Source
	queue.Publisher
	kind   Kind
	at     string
	rabbit *rabbitmq.Queue
	stream *nats.Queue
	broker *rabbitmq.Broker
	guest  Guest
	close  func() error
}

// Open returns the queue called name at the URL.
func Open(kind Kind, at, name string) (*Endpoint, error) { return OpenTLS(kind, at, name, nil) }

// OpenTLS is Open for a URL with TLS.
func OpenTLS(kind Kind, at, name string, trust *tls.Config) (*Endpoint, error) {
	return openWithLease(kind, at, name, trust, lease)
}

func openWithLease(kind Kind, at, name string, trust *tls.Config, lease time.Duration) (*Endpoint, error) {
	e := &Endpoint{kind: kind, at: at}
	if open, ok := guests[kind]; ok {
		g, err := open(at, name)
		if err != nil {
			return nil, err
		}
		e.guest, e.Source, e.Publisher, e.close = g, g, g, g.Close
		return e, nil
	}
	switch kind {
	case Quorum, Classic:
		cfg := rabbitmq.Config{Type: rabbitmq.Quorum, Heartbeat: time.Second, TLS: trust}
		if kind == Classic {
			cfg.Type = rabbitmq.Classic
		}
		b, err := rabbitmq.New(at, cfg)
		if err != nil {
			return nil, err
		}
		e.broker, e.rabbit, e.close = b, b.Queue(name), b.Close
		e.Source, e.Publisher = e.rabbit, e.rabbit
	case Stream, Stream3:
		cfg := nats.Config{Lease: lease}
		if kind == Stream3 {
			cfg.Replicas = 3
		}
		if trust != nil {
			cfg.Options = append(cfg.Options, natsgo.Secure(trust))
		}
		b, err := nats.New(at, cfg)
		if err != nil {
			return nil, err
		}
		e.stream, e.close = b.Queue(name), b.Close
		e.Source, e.Publisher = e.stream, e.stream
	}
	return e, nil
}

// Close ends it; sessions go on.
func (e *Endpoint) Close() error { return e.close() }

// DeadLetters counts the dead letters by id.
func (e *Endpoint) DeadLetters(ctx context.Context) (map[string]int, error) {
	const most = 100_000
	var letters []queue.Message
	var err error
	switch {
	case e.guest != nil:
		letters, err = e.guest.DeadLetters(ctx, most)
	case e.stream != nil:
		letters, err = e.stream.DeadLetters(ctx, most)
	default:
		letters, err = e.rabbit.DeadLetters(ctx, most)
	}
	ids := map[string]int{}
	for _, m := range letters {
		ids[m.ID]++
	}
	return ids, err
}

// Backlog implements queue.BacklogReporter.
func (e *Endpoint) Backlog(ctx context.Context) (int, error) {
	switch {
	case e.guest != nil:
		return e.guest.Backlog(ctx)
	case e.stream != nil:
		return e.stream.Backlog(ctx)
	}
	return e.rabbit.Backlog(ctx)
}

// Delete deletes the queue as somebody who does not ask.
func (e *Endpoint) Delete(ctx context.Context) error {
	switch {
	case e.guest != nil:
		return e.guest.Delete(ctx)
	case e.stream != nil:
		return e.deleteStream(ctx)
	}
	return e.rabbit.Delete(ctx)
}

func (e *Endpoint) deleteStream(ctx context.Context) error {
	conn, err := natsgo.Connect(e.at)
	if err != nil {
		return err
	}
	defer conn.Close()
	js, err := jetstream.New(conn)
	if err != nil {
		return err
	}
	return errors.Join(js.DeleteStream(ctx, e.stream.Name()), js.DeleteStream(ctx, e.stream.Name()+"-dead"))
}

// Blocked reports whether the broker blocks publishers, and why. JetStream never does.
func (e *Endpoint) Blocked() (string, bool) {
	if e.broker == nil {
		return "", false
	}
	return e.broker.Blocked()
}

// state is what the broker reports about a queue.
type state struct {
	left      int // messages that wait; for JetStream those that are held too
	dead      int
	consumers int // -1: the broker doesn't say
}

func (e *Endpoint) state(ctx context.Context) (state, error) {
	if e.guest != nil {
		s, err := e.guest.Inspect(ctx)
		return state{s.Ready + s.Delayed + s.Held, s.DeadLettered, s.Consumers}, err
	}
	switch e.kind {
	case Quorum, Classic:
		s, err := e.rabbit.Inspect(ctx)
		return state{s.Ready, s.DeadLettered, s.Consumers}, err
	case Stream, Stream3:
		s, err := e.stream.Inspect(ctx)
		return state{s.Ready + s.Held, s.DeadLettered, -1}, err
	}
	return state{}, fmt.Errorf("chaos: no such kind: %q", e.kind)
}
