package main

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/ThreeDotsLabs/watermill"
	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/ThreeDotsLabs/watermill/pubsub/gochannel"

	"github.com/gentask/gentask/queue"
)

// published is our side with a publisher beside it that keeps a window of messages on their way.
// Both sides publish and consume at the same time, because gochannel keeps no message for a later
// subscriber.
func published(ctx context.Context, t *trial) error {
	q := newMemory(t)
	defer q.Close()
	window := newWindow(t)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() {
		for i, body := range window.bodies {
			window.take()
			if err := q.Publish(ctx, queue.Message{ID: strconv.Itoa(i), Body: body}); err != nil {
				cancel(err)
				return
			}
		}
	}()
	if err := consume(ctx, t, q, inFlight, window.behavior()); err != nil {
		return err
	}
	return checkMemory(q)
}

// watermillGoChannel is watermill's router on its pub/sub in process.
func watermillGoChannel(ctx context.Context, t *trial) error {
	window := newWindow(t)
	pubsub := gochannel.NewGoChannel(gochannel.Config{OutputChannelBuffer: inFlight}, watermill.NopLogger{})
	return routed(ctx, t, pubsub, "jobs", func(m *message.Message) error {
		window.ran(m.Payload)
		return nil
	}, func() error {
		for i, body := range window.bodies {
			window.take()
			if err := pubsub.Publish("jobs", message.NewMessage(strconv.Itoa(i), body)); err != nil {
				return err
			}
		}
		return nil
	})
}

// lull is the time for the last acks between the stop of the clock and the close of the router.
// Watermill closes its channel at once, and a quorum queue then drops the acks that it has not
// processed yet.
const lull = 500 * time.Millisecond

// routed runs a watermill router over sub until every job has run; publish, if there is one, is
// called as soon as it runs. The router closes sub. The clock stops when the last job has run,
// which is in watermill's favour.
func routed(
	ctx context.Context, t *trial, sub message.Subscriber, topic string, handle message.NoPublishHandlerFunc, publish func() error,
) error {
	router, err := message.NewRouter(message.RouterConfig{}, watermill.NopLogger{})
	if err != nil {
		return err
	}
	router.AddConsumerHandler("bench", topic, sub, handle)
	ended := make(chan error, 1)
	t.begin()
	go func() { ended <- router.Run(ctx) }()
	select {
	case <-router.Running():
	case err := <-ended:
		return err
	}
	if publish != nil {
		if err := publish(); err != nil {
			return err
		}
	}
	if err := t.tally.wait(ctx); err != nil {
		return err
	}
	t.end()
	if err := sleep(ctx, lull); err != nil {
		return err
	}
	if err := errors.Join(router.Close(), <-ended); err != nil {
		return err
	}
	return t.tally.check()
}
