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

// Kind is a kind of queue. The set is closed.
type Kind string

// The kinds.
const (
	Quorum  Kind = "RabbitMQ quorum"
	Classic Kind = "RabbitMQ classic"
	Stream  Kind = "JetStream"
	Stream3 Kind = "JetStream, 3 replicas"
)

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
	switch e.kind {
	case Quorum, Classic:
		letters, err = e.rabbit.DeadLetters(ctx, most)
	case Stream, Stream3:
		letters, err = e.stream.DeadLetters(ctx, most)
	}
	ids := map[string]int{}
	for _, m := range letters {
		ids[m.ID]++
	}
	return ids, err
}

// Backlog implements queue.BacklogReporter.
func (e *Endpoint) Backlog(ctx context.Context) (int, error) {
	if e.stream != nil {
		return e.stream.Backlog(ctx)
	}
	return e.rabbit.Backlog(ctx)
}

// Delete deletes the queue as somebody who does not ask.
func (e *Endpoint) Delete(ctx context.Context) error {
	if e.stream != nil {
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
