package rabbitmq

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// seamConn is one connection of a bus or a store.
type seamConn struct {
	*link
	life    context.Context // ends with it; here, because all that waits for it ends then
	end     context.CancelFunc
	blocked atomic.Bool // the broker accepts no messages at present
	work    sync.WaitGroup

	mu     sync.Mutex
	alarm  chan struct{} // closed while blocked is set
	reason string        // that the broker has given for the end; empty if it has not
}

// errLinkOver is the reason of a call whose connection has ended.
var errLinkOver = errors.New("the connection has ended")

// dialSeam connects for a bus or a store. Heartbeats are short, because leases depend on it.
func (b *Broker) dialSeam(ctx context.Context, purpose string) (*seamConn, error) {
	l, err := b.dial(ctx, purpose, pulse)
	if err != nil {
		return nil, err
	}
	l.socket.expect(silence)
	c := &seamConn{link: l, alarm: make(chan struct{})}
	c.life, c.end = context.WithCancel(context.Background())
	ended := l.NotifyClose(make(chan *amqp.Error, 1))
	blocks := l.NotifyBlocked(make(chan amqp.Blocking, 8))
	c.work.Go(func() { c.listen(ended, blocks) })
	return c, nil
}

// listen records what the broker reports about the connection, until that is over.
func (c *seamConn) listen(ended <-chan *amqp.Error, blocks <-chan amqp.Blocking) {
	defer c.end()
	for {
		select {
		case reason := <-ended:
			c.note(reason)
			return
		case b, ok := <-blocks:
			if !ok {
				blocks = nil
				continue
			}
			c.setBlocked(b.Active)
		}
	}
}

func (c *seamConn) setBlocked(on bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch was := c.blocked.Swap(on); {
	case on && !was:
		close(c.alarm)
	case was && !on:
		c.alarm = make(chan struct{})
	}
}

// note keeps the first reason of the broker.
func (c *seamConn) note(reason *amqp.Error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.reason == "" && reason != nil {
		c.reason = reason.Reason
	}
}

// why returns the error of a call whose connection has ended.
func (c *seamConn) why() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.reason == "" {
		return errLinkOver
	}
	return fmt.Errorf("%w: %s", errLinkOver, c.reason)
}

// inAlarm returns a channel that is closed when the broker accepts no messages.
func (c *seamConn) inAlarm() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.alarm
}

// channel returns a channel that ends the connection when it ends.
func (c *seamConn) channel() (*amqp.Channel, error) {
	ch, err := c.Channel()
	if err == nil {
		ended := ch.NotifyClose(make(chan *amqp.Error, 1))
		c.work.Go(func() {
			c.note(<-ended)
			c.cut()
		})
	}
	return ch, err
}

// over implements seamLink.
func (c *seamConn) over() <-chan struct{} { return c.life.Done() }

// while returns a context that ends with ctx, and with the connection.
func (c *seamConn) while(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(c.life, cancel)
	return ctx, func() {
		stop()
		cancel()
	}
}

// leave implements seamLink.
func (c *seamConn) leave() {
	ctx, cancel := context.WithTimeout(context.Background(), goodbye)
	defer cancel()
	c.link.leave(ctx)
	c.work.Wait()
}

// drop is leave for a connection that is of no use.
func (c *seamConn) drop() {
	c.cut()
	c.work.Wait()
}

// bounded runs f, which waits for the broker. The connection is cut if ctx ends before.
func (c *seamConn) bounded(ctx context.Context, f func() error) error {
	stop := context.AfterFunc(ctx, c.cut)
	defer stop()
	err := f()
	if err != nil {
		err = failed(ctx, c.at, "request", err)
	}
	return err
}

// publish writes a message. It cuts the connection if the network does not take it.
func (c *seamConn) publish(ch *amqp.Channel, exchange, key string, mandatory bool, m amqp.Publishing) error {
	late := time.AfterFunc(writeTimeout, c.cut)
	defer late.Stop()
	return ch.Publish(exchange, key, mandatory, false, m)
}
