package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/ThreeDotsLabs/watermill"
	wamqp "github.com/ThreeDotsLabs/watermill-amqp/v3/pkg/amqp"
	"github.com/ThreeDotsLabs/watermill/message"
	amqp "github.com/rabbitmq/amqp091-go"
)

const consumerTag = "gentask-bench"

// bare is what one writes with the client alone: a goroutine for each delivery, and an ack for
// each.
func (r rabbit) bare(ctx context.Context, t *trial) error {
	return r.withClient(ctx, t, func(ch *amqp.Channel, deliveries <-chan amqp.Delivery) error {
		var jobs sync.WaitGroup
		for range t.jobs {
			d, err := next(ctx, deliveries)
			if err != nil {
				return err
			}
			jobs.Go(func() {
				r.run(t, d.Body)
				_ = d.Ack(false) // one that fails is found in the queue afterwards
			})
		}
		jobs.Wait()
		t.end()
		return leave(ch)
	})
}

// ideal is the least work that acknowledges no delivery that still runs: a flag for each delivery,
// and the settled prefix in one frame, once in a millisecond. It gets the number of deliveries in
// advance, settles by acks only, and never gives anything back.
func (r rabbit) ideal(ctx context.Context, t *trial) error {
	return r.withClient(ctx, t, func(ch *amqp.Channel, deliveries <-chan amqp.Delivery) error {
		p := &settledPrefix{done: make([]bool, t.jobs+1)}
		stop, flushed := make(chan struct{}), make(chan error, 1)
		go func() { flushed <- p.flushEach(time.Millisecond, ch, stop) }()
		var jobs sync.WaitGroup
		for range t.jobs {
			d, err := next(ctx, deliveries)
			if err != nil {
				close(stop)
				return errors.Join(err, <-flushed)
			}
			jobs.Go(func() {
				r.run(t, d.Body)
				p.settle(d.DeliveryTag)
			})
		}
		jobs.Wait()
		close(stop)
		err := <-flushed
		t.end()
		return errors.Join(err, leave(ch))
	})
}

// leave ends the consumer before its channel: a quorum queue takes only some of a channel's acks at
// a time, and forgets the rest when the channel is closed. The end of a consumer is agreed upon
// after everything that came before.
func leave(ch *amqp.Channel) error { return errors.Join(ch.Cancel(consumerTag, false), ch.Close()) }

// settledPrefix is the set of settled tags, which count from 1.
type settledPrefix struct {
	mu    sync.Mutex
	done  []bool
	acked int
}

func (p *settledPrefix) settle(tag uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if tag < uint64(len(p.done)) {
		p.done[tag] = true
	}
}

// flushEach flushes until stop is closed, and then once more.
func (p *settledPrefix) flushEach(d time.Duration, ch *amqp.Channel, stop <-chan struct{}) error {
	tick := time.NewTicker(d)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			if err := p.flush(ch); err != nil {
				return err
			}
		case <-stop:
			return p.flush(ch)
		}
	}
}

func (p *settledPrefix) flush(ch *amqp.Channel) error {
	p.mu.Lock()
	before := p.acked
	for p.acked+1 < len(p.done) && p.done[p.acked+1] {
		p.acked++
	}
	upTo := p.acked
	p.mu.Unlock()
	if upTo == before {
		return nil
	}
	return ch.Ack(uint64(upTo), true)
}

// withClient fills a queue, consumes it with the client alone, and checks that it is empty. consume
// calls t.end when all acks are written.
func (r rabbit) withClient(ctx context.Context, t *trial, consume func(*amqp.Channel, <-chan amqp.Delivery) error) error {
	q, finish, err := r.queue(ctx, t)
	if err != nil {
		return err
	}
	t.begin()
	err = r.client(q.Name(), consume)
	return errors.Join(err, t.tally.check(), finish())
}

func (r rabbit) client(name string, consume func(*amqp.Channel, <-chan amqp.Delivery) error) error {
	conn, err := amqp.Dial(env("GENTASK_RABBITMQ_URL", rabbitDefault))
	if err != nil {
		return err
	}
	return errors.Join(func() error {
		ch, deliveries, err := consumeBare(conn, name, r.prefetch)
		if err != nil {
			return err
		}
		return consume(ch, deliveries)
	}(), conn.Close())
}

// consumeBare consumes a queue with the client alone.
func consumeBare(conn *amqp.Connection, name string, prefetch int) (*amqp.Channel, <-chan amqp.Delivery, error) {
	ch, err := conn.Channel()
	if err != nil {
		return nil, nil, err
	}
	if err := ch.Qos(prefetch, 0, false); err != nil {
		return nil, nil, err
	}
	deliveries, err := ch.Consume(name, consumerTag, false, false, false, false, nil)
	return ch, deliveries, err
}

func next(ctx context.Context, deliveries <-chan amqp.Delivery) (amqp.Delivery, error) {
	select {
	case d, ok := <-deliveries:
		if !ok {
			return d, errors.New("the deliveries ended")
		}
		return d, nil
	case <-ctx.Done():
		return amqp.Delivery{}, fmt.Errorf("waiting for a delivery: %w", context.Cause(ctx))
	}
}

// watermill is watermill's router with its AMQP driver, on the queue as it is.
func (r rabbit) watermill(ctx context.Context, t *trial) error {
	q, finish, err := r.queue(ctx, t)
	if err != nil {
		return err
	}
	cfg := wamqp.NewDurableQueueConfig(env("GENTASK_RABBITMQ_URL", rabbitDefault))
	cfg.Consume.Qos.PrefetchCount = r.prefetch
	cfg.TopologyBuilder = asItIs{}
	cfg.Marshaler = bodyOnly{}
	sub, err := wamqp.NewSubscriber(cfg, watermill.NopLogger{})
	if err != nil {
		return errors.Join(err, finish())
	}
	err = routed(ctx, t, sub, q.Name(), func(m *message.Message) error {
		r.run(t, m.Payload)
		return nil
	}, nil)
	return errors.Join(err, finish())
}

// bodyOnly takes messages that were not published by watermill.
type bodyOnly struct{}

// Marshal implements watermill's Marshaler.
func (bodyOnly) Marshal(m *message.Message) (amqp.Publishing, error) {
	return amqp.Publishing{Body: m.Payload}, nil
}

// Unmarshal implements watermill's Marshaler.
func (bodyOnly) Unmarshal(d amqp.Delivery) (*message.Message, error) {
	return message.NewMessage(d.MessageId, d.Body), nil
}

// asItIs is a topology that is there.
type asItIs struct{}

// BuildTopology implements watermill's TopologyBuilder.
func (asItIs) BuildTopology(*amqp.Channel, wamqp.BuildTopologyParams, wamqp.Config, watermill.LoggerAdapter) error {
	return nil
}

// ExchangeDeclare implements watermill's TopologyBuilder.
func (asItIs) ExchangeDeclare(*amqp.Channel, string, wamqp.Config) error { return nil }
