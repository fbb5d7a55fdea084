package rabbitmq

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	amqp "github.com/rabbitmq/amqp091-go"
)

// pubConn is one connection for publishing. Two goroutines belong to it: one writes, so that a broker that has stopped to read holds up it
// and not the callers; one listens. It is safe for concurrent use, and over when its channel is.
type pubConn struct {
	link    *link
	channel *amqp.Channel
	calls   chan *call
	barrier chan struct{} // what is received from it says that every return that came before was noted
	dead    chan struct{} // closed when the channel is gone; lost is set then
	lost    error
	wg      sync.WaitGroup

	mu       sync.Mutex
	waiting  map[route]int    // how many in flight
	returned map[route]string // why the broker returned it, while somebody waits
}

// route is how a returned message is recognised: the broker does not say which one it was.
type route struct{ queue, id string }

// call is what one caller has the writer write.
type call struct {
	out      []outgoing
	confirms []*amqp.DeferredConfirmation // nil where errs is not
	errs     []error
	written  chan struct{} // closed when confirms and errs are there
	gone     atomic.Bool   // the caller no longer waits
}

// newPubConn takes over link. blocked is kept up to date for as long as the connection lives.
func newPubConn(l *link, ch *amqp.Channel, blocked *atomic.Pointer[string]) *pubConn {
	c := &pubConn{
		link: l, channel: ch, calls: make(chan *call, 64), barrier: make(chan struct{}), dead: make(chan struct{}),
		waiting: make(map[route]int), returned: make(map[route]string),
	}
	// Not buffered: when the client goes on to the confirm, the return is in the hands of the listener, ahead of any barrier.
	returns := ch.NotifyReturn(make(chan amqp.Return))
	closes := ch.NotifyClose(make(chan *amqp.Error, 1))
	blocks := l.NotifyBlocked(make(chan amqp.Blocking, 8))
	c.wg.Go(func() { c.listen(returns, closes, blocks, blocked) })
	c.wg.Go(c.write)
	return c
}

// alive says that nothing is known against c. A nil one is not alive.
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

// frameMax is how large a frame may be, 0 for any size.
func (c *pubConn) frameMax() int { return c.link.Config.FrameSize }

// close says goodbye, and waits for what belongs to c.
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

// confirm waits for the broker's word on every message that was written.
func (c *pubConn) confirm(ctx context.Context, k *call) {
	for i, confirm := range k.confirms {
		if confirm == nil {
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

// nacked is why there is a negative confirm: the client makes them up when the connection ends.
func (c *pubConn) nacked() error {
	if c.channel.IsClosed() {
		<-c.dead
		return c.lost
	}
	return ErrNacked
}

// unroutable finds the messages that the broker returned: it confirms them all the same.
func (c *pubConn) unroutable(ctx context.Context, k *call) {
	var unsure error
	select {
	case <-c.barrier:
	case <-c.dead:
		unsure = c.lost // A return may have come and not been noted.
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

// expect has returns of out noted.
func (c *pubConn) expect(out []outgoing) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, o := range out {
		c.waiting[route{o.queue, o.msg.MessageId}]++
	}
}

// done forgets what expect asked for.
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

// write writes calls, many in one system call where they come together.
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

// writeCall writes the messages of k, those excepted that the caller no longer waits for.
func (c *pubConn) writeCall(k *call) {
	defer close(k.written)
	k.confirms, k.errs = make([]*amqp.DeferredConfirmation, len(k.out)), make([]error, len(k.out))
	for i, o := range k.out {
		if k.gone.Load() {
			return
		}
		k.confirms[i], k.errs[i] = c.channel.PublishWithDeferredConfirm(amqp.DefaultExchange, o.queue, true, false, o.msg)
		if k.errs[i] != nil {
			k.errs[i] = fmt.Errorf("%w: %w", ErrUnconfirmed, k.errs[i])
		}
	}
}

// listen notes what the broker says until the channel is gone. It never waits for anything else, for the client's reader waits for it.
func (c *pubConn) listen(
	returns <-chan amqp.Return, closes <-chan *amqp.Error, blocks <-chan amqp.Blocking, blocked *atomic.Pointer[string],
) {
	defer close(c.dead)
	defer blocked.Store(nil)
	defer c.link.cut() // With the channel gone the connection is of no use.
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
			blocked.Store(nil)
			if b.Active {
				blocked.Store(&b.Reason)
			}
		case reply := <-closes: // nil when closed by us
			c.lost = ErrUnconfirmed
			if reply != nil {
				c.lost = fmt.Errorf("%w: %w", ErrUnconfirmed, explain(reply))
			}
			return
		}
	}
}

// note remembers why the broker returned a message, for whoever waits for it.
func (c *pubConn) note(r amqp.Return) {
	c.mu.Lock()
	defer c.mu.Unlock()
	at := route{r.RoutingKey, r.MessageId}
	if c.waiting[at] > 0 {
		c.returned[at] = r.ReplyText
	}
}
