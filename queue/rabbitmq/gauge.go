package rabbitmq

import (
	"context"
	"fmt"
	"time"

	"github.com/gentask/gentask/queue"
	amqp "github.com/rabbitmq/amqp091-go"
)

// gauge requests the number of waiting messages, over one connection for all queues of a Broker.
// That is not the connection of a session, which may be dead unnoticed, nor that for publishing,
// which the broker may block. It is kept, because the request is repeated often.
type gauge struct {
	broker *Broker
	turn   chan struct{} // held during a request, and guards the rest
	link   *link         // nil until it is needed
	usual  time.Duration // that the last request took
	over   bool
}

// gaugePatience is how long a connection that has worked before may take for a request, or three
// times as long as the last one took. It is replaced then: it may be dead unnoticed, too.
const gaugePatience = 300 * time.Millisecond

func newGauge(b *Broker) *gauge { return &gauge{broker: b, turn: make(chan struct{}, 1)} }

// Backlog implements [queue.BacklogReporter]. It counts the messages that are ready. A queue that
// does not exist is an error.
func (q *Queue) Backlog(ctx context.Context) (int, error) {
	if err := checkName(q.name); err != nil {
		return 0, err
	}
	ctx, cancel := context.WithTimeout(ctx, q.broker.cfg.DialTimeout)
	defer cancel()
	return q.broker.gauge.ready(ctx, q.name)
}

func (g *gauge) ready(ctx context.Context, name string) (n int, err error) {
	select {
	case g.turn <- struct{}{}:
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	defer func() { <-g.turn }()
	if g.link != nil && !g.link.IsClosed() {
		soon, cancel := context.WithTimeout(ctx, max(gaugePatience, 3*g.usual))
		defer cancel()
		n, err = g.count(soon, name)
		if err == nil || soon.Err() == nil || ctx.Err() != nil {
			return n, err
		}
		g.link = nil // it was cut
	}
	return g.count(ctx, name)
}

// count makes the request. The connection is cut if ctx ends before the answer.
func (g *gauge) count(ctx context.Context, name string) (n int, err error) {
	ch, err := g.channel(ctx)
	if err != nil {
		return 0, err
	}
	stop := context.AfterFunc(ctx, g.link.cut)
	defer stop()
	began := time.Now()
	found, err := ch.QueueDeclarePassive(name, true, false, false, false, nil)
	if err == nil { // an error has closed the channel
		n, err = found.Messages, ch.Close()
	}
	if err != nil {
		return 0, failed(ctx, g.link.at, fmt.Sprintf("ask what waits in queue %q", name), err)
	}
	g.usual = time.Since(began)
	return n, nil
}

// channel returns a new channel, on a new connection if the last is lost.
func (g *gauge) channel(ctx context.Context) (*amqp.Channel, error) {
	if g.over {
		return nil, queue.ErrClosed
	}
	if g.link == nil || g.link.IsClosed() {
		l, err := g.broker.dial(ctx, "gauge", 0)
		if err != nil {
			return nil, err
		}
		g.link = l
	}
	stop := context.AfterFunc(ctx, g.link.cut)
	defer stop()
	return g.link.Channel()
}

// close closes the connection after the request that is running.
func (g *gauge) close() {
	g.turn <- struct{}{}
	defer func() { <-g.turn }()
	g.over = true
	if g.link == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), goodbye)
	defer cancel()
	g.link.leave(ctx)
	g.link = nil
}
