package rabbitmq

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	amqp "github.com/rabbitmq/amqp091-go"
)

// pubConn is one connection for publishing. It has two goroutines. One writes, so that a broker
// that has stopped reading blocks it and not the callers; the other receives. It is safe for
// concurrent use, and over when its channel is.
type pubConn struct {
	link    *link
	channel *amqp.Channel
	calls   chan *call
	barrier chan struct{} // a receive from it means that every earlier return was recorded
	dead    chan struct{} // closed when the channel is gone; lost is set then
	lost    error
	wg      sync.WaitGroup

	refusing *refusing

	mu       sync.Mutex
	waiting  map[route]int    // number of messages in flight
	returned map[route]string // the reason of the broker's return, while a call waits for it
}

// route identifies a returned message, because the broker does not identify it otherwise.
type route struct{ queue, id string }

// call is one caller's request to the writer.
type call struct {
	out      []outgoing
	confirms []*amqp.DeferredConfirmation // nil where errs is not
	errs     []error
	written  chan struct{} // closed when confirms and errs are set
	gone     atomic.Bool   // the caller no longer waits
}

// newPubConn takes over link. It keeps blocked up to date until the connection ends.
func newPubConn(l *link, ch *amqp.Channel, blocked *atomic.Pointer[string]) *pubConn {
	c := &pubConn{
		link: l, channel: ch, calls: make(chan *call, 64), barrier: make(chan struct{}), dead: make(chan struct{}),
		waiting: make(map[route]int), returned: make(map[route]string),
		refusing: newRefusing(),
	}
	// Not buffered: when the client continues with the confirm, the listener has received the
	// return, before any barrier.
	returns := ch.NotifyReturn(make(chan amqp.Return))
	closes := ch.NotifyClose(make(chan *amqp.Error, 1))
	blocks := l.NotifyBlocked(make(chan amqp.Blocking, 8))
	c.wg.Go(func() { c.listen(returns, closes, blocks, blocked) })
	c.wg.Go(c.write)
	return c
}

// alive reports whether c is not known to be over. A nil one is not alive.
func (c *pubConn) alive() bool {
	if c == nil {
		return false
	}
	select {
	case <-c.dead:
		return false
	default:
		return true
	}
}

// frameMax returns the largest size of a frame, and 0 for no limit.
func (c *pubConn) frameMax() int { return c.link.Config.FrameSize }

// close closes the connection, and waits until its goroutines have ended.
func (c *pubConn) close() {
	ctx, cancel := context.WithTimeout(context.Background(), goodbye)
	defer cancel()
	c.link.leave(ctx)
	c.wg.Wait()
}

// publish sends out, and returns an error for each message, nil for a confirmed one.
func (c *pubConn) publish(ctx context.Context, out []outgoing) []error {
	c.expect(out)
	defer c.done(out)
	k := &call{out: out, written: make(chan struct{})}
	select {
	case c.calls <- k:
	case <-c.dead:
		return slices.Repeat([]error{c.lost}, len(out))
	case <-ctx.Done():
		return slices.Repeat([]error{ctx.Err()}, len(out))
	}
	select {
	case <-k.written:
	case <-c.dead:
		return slices.Repeat([]error{c.lost}, len(out))
	case <-ctx.Done():
		k.gone.Store(true)
		return slices.Repeat([]error{ctx.Err()}, len(out))
	}
	c.confirm(ctx, k)
	c.unroutable(ctx, k)
	return k.errs
}

// confirm waits for the broker's confirm of every message that was written.
func (c *pubConn) confirm(ctx context.Context, k *call) {
	for i, confirm := range k.confirms {
		if confirm == nil {
			k.errs[i] = c.unwritten(k.errs[i])
			continue
		}
		select {
		case <-confirm.Done():
			if !confirm.Acked() {
				k.errs[i] = c.nacked()
			}
		case <-ctx.Done():
			k.errs[i] = ctx.Err()
		}
	}
}

// unwritten returns the error of a message that could not be written: the reason why the channel
// was closed meanwhile, if it was.
func (c *pubConn) unwritten(err error) error {
	if err != nil && c.channel.IsClosed() {
		<-c.dead
		return c.lost
	}
	return err
}

// nacked returns the reason of a negative confirm, because the client makes such confirms when the
// connection ends.
func (c *pubConn) nacked() error {
	if c.channel.IsClosed() {
		<-c.dead
		return c.lost
	}
	return ErrNacked
}

// unroutable finds the messages that the broker returned, because it confirms them nevertheless.
func (c *pubConn) unroutable(ctx context.Context, k *call) {
	var unsure error
	select {
	case <-c.barrier:
	case <-c.dead:
		unsure = c.lost // A return may have come and not been recorded.
	case <-ctx.Done():
		unsure = ctx.Err()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, o := range k.out {
		if k.errs[i] != nil {
			continue
		}
		k.errs[i] = unsure
		if why, ok := c.returned[route{o.queue, o.msg.MessageId}]; ok {
			k.errs[i] = fmt.Errorf("%w: %q: %s", ErrUnroutable, o.queue, why)
		}
	}
}

// expect makes note record the returns of out.
func (c *pubConn) expect(out []outgoing) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, o := range out {
		c.waiting[route{o.queue, o.msg.MessageId}]++
	}
}

// done reverses expect.
func (c *pubConn) done(out []outgoing) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, o := range out {
		r := route{o.queue, o.msg.MessageId}
		if c.waiting[r]--; c.waiting[r] == 0 {
			delete(c.waiting, r)
			delete(c.returned, r)
		}
	}
}

// write writes calls; calls that come together are written in one system call.
func (c *pubConn) write() {
	for {
		select {
		case k := <-c.calls:
			c.link.socket.push()
			c.writeCall(k)
			for range len(c.calls) {
				c.writeCall(<-c.calls)
			}
			c.link.socket.pull()
		case <-c.dead:
			return
		}
	}
}

// writeCall writes the messages of k, unless the caller no longer waits for them.
func (c *pubConn) writeCall(k *call) {
	defer close(k.written)
	k.confirms, k.errs = make([]*amqp.DeferredConfirmation, len(k.out)), make([]error, len(k.out))
	for i, o := range k.out {
		if k.gone.Load() {
			return
		}
		k.confirms[i], k.errs[i] = c.channel.PublishWithDeferredConfirm(amqp.DefaultExchange, o.queue,
			!o.unrouted, false, o.msg)
		if k.errs[i] != nil {
			k.errs[i] = fmt.Errorf("%w: %w", ErrUnconfirmed, k.errs[i])
		}
	}
}

// listen records the broker's notifications until the channel is gone. It never waits for anything
// else, because the client's reader waits for it.
func (c *pubConn) listen(
	returns <-chan amqp.Return, closes <-chan *amqp.Error, blocks <-chan amqp.Blocking, blocked *atomic.Pointer[string],
) {
	defer close(c.dead)
	var said *string // by this connection: another one may replace it
	defer func() { blocked.CompareAndSwap(said, nil) }()
	defer c.link.cut() // Without the channel the connection is useless.
	for {
		select {
		case r, ok := <-returns:
			if !ok {
				returns = nil
				continue
			}
			c.note(r)
		case c.barrier <- struct{}{}:
		case b, ok := <-blocks:
			if !ok {
				blocks = nil
				continue
			}
			blocked.CompareAndSwap(said, nil)
			if said = nil; b.Active {
				said = &b.Reason
				blocked.Store(said)
			}
		case reply := <-closes:
			c.lost = lostBecause(reply)
			return
		}
	}
}

// note records the reason why the broker returned a message, if a call waits for it.
func (c *pubConn) note(r amqp.Return) {
	c.mu.Lock()
	defer c.mu.Unlock()
	at := route{r.RoutingKey, r.MessageId}
	if c.waiting[at] > 0 {
		c.returned[at] = r.ReplyText
	}
}
