package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/gentask/gentask/bench/result"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/nats"
)

// jetStream is consumption from a server in this process that keeps its messages in files: its work
// is in the figures of both sides.
func jetStream(o options) []comparison {
	return o.each("jetstream", 100_000, 100, []comparison{{
		name: "file/p1000", peer: "nats.go, ack from a goroutine", ours: fromJetStream(inFlight), theirs: bareNATS,
		claims: []claim{{unit: result.Rate, target: 0.7}},
	}})
}

// stream is a server of one trial's own, with a queue that holds the trial's messages.
type stream struct {
	dir    string
	server *server.Server
	broker *nats.Broker
	queue  *nats.Queue
}

func newStream(ctx context.Context, t *trial) (*stream, error) {
	dir, err := os.MkdirTemp("", "gentask-bench")
	if err != nil {
		return nil, err
	}
	s := &stream{dir: dir}
	if err := s.start(); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	s.queue = s.broker.Queue("jobs")
	err = batches(t.tally.messages(usual), 5_000, func(batch []queue.Message) error { return s.queue.Publish(ctx, batch...) })
	if err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

func (s *stream) start() error {
	var err error
	s.server, err = server.NewServer(&server.Options{JetStream: true, StoreDir: s.dir, DontListen: true, NoSigs: true, NoLog: true})
	if err != nil {
		return err
	}
	s.server.Start()
	if !s.server.ReadyForConnections(10 * time.Second) {
		s.server.Shutdown()
		return errors.New("the JetStream server is not ready")
	}
	s.broker, err = nats.NewInProcess(s.server, nats.Config{Name: "gentask-bench"})
	return err
}

// finish fails unless everything is acknowledged, and ends the server.
func (s *stream) finish(ctx context.Context) error {
	return errors.Join(s.checkEmpty(ctx), s.close())
}

// checkEmpty fails unless the queue is empty: acks have been read, and not applied, when their
// connection is flushed.
func (s *stream) checkEmpty(ctx context.Context) error {
	return settles(func() (string, error) {
		stats, err := s.queue.Inspect(ctx)
		if stats.Left()+stats.DeadLettered == 0 {
			return "", err
		}
		return fmt.Sprintf("%+v", stats), err
	})
}

func (s *stream) close() error {
	err := s.broker.Close()
	s.server.Shutdown()
	s.server.WaitForShutdown()
	return errors.Join(err, os.RemoveAll(s.dir))
}

// fromJetStream is our side.
func fromJetStream(concurrency int) side {
	return func(ctx context.Context, t *trial) error {
		s, err := newStream(ctx, t)
		if err != nil {
			return err
		}
		return errors.Join(consume(ctx, t, s.queue, concurrency, noOp(t)), s.finish(ctx))
	}
}

// bareNATS is the client alone: a goroutine for each message, which acknowledges it. It uses the
// durable consumer that our driver made, the only one that a work queue can have, with a bound of
// its own to what is in flight.
func bareNATS(ctx context.Context, t *trial) error {
	s, err := newStream(ctx, t)
	if err != nil {
		return err
	}
	return errors.Join(consumeNATS(ctx, t, s), t.tally.check(), s.finish(ctx))
}

func consumeNATS(ctx context.Context, t *trial, s *stream) error {
	t.begin()
	defer t.end()
	nc, err := natsgo.Connect("", natsgo.InProcessServer(s.server))
	if err != nil {
		return err
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		return err
	}
	c, err := js.CreateOrUpdateConsumer(ctx, s.queue.Name(), jetstream.ConsumerConfig{
		Durable: "bare", AckPolicy: jetstream.AckExplicitPolicy, MaxAckPending: inFlight,
	})
	if err != nil {
		return err
	}
	var jobs sync.WaitGroup
	messages, err := c.Consume(func(m jetstream.Msg) {
		jobs.Go(func() {
			t.tally.ran(m.Data())
			_ = m.Ack() // one that fails is found in the queue afterwards
		})
	}, jetstream.PullMaxMessages(inFlight), jetstream.PullHeartbeat(time.Second)) // without a heartbeat it may go silent
	if err != nil {
		return err
	}
	ranErr := t.tally.wait(ctx)
	messages.Drain()
	<-messages.Closed()
	jobs.Wait()
	return errors.Join(ranErr, nc.FlushWithContext(ctx))
}
