package rabbitmq

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gentask/gentask/queue"
	amqp "github.com/rabbitmq/amqp091-go"
)

// publisher publishes for all queues of a Broker. It makes a connection when one is needed, and the
// last is broken. It is safe for concurrent use.
type publisher struct {
	broker  *Broker
	turn    chan struct{} // held while connecting; a channel, so that waiting for it ends with a context
	current atomic.Pointer[pubConn]
	closed  atomic.Bool
	ended   chan struct{}          // closed by close
	retired sync.WaitGroup         // connections that end when their last call does
	blocked atomic.Pointer[string] // the reason why the broker blocks publishers; nil if it does not
	limit   atomic.Pointer[sizeLimit]
}

func newPublisher(b *Broker) *publisher {
	return &publisher{broker: b, turn: make(chan struct{}, 1), ended: make(chan struct{})}
}

// outgoing is one message for one queue. Its message has an id.
type outgoing struct {
	queue string
	msg   amqp.Publishing
	// priority is that of a new message, for the work queue. A copy has its original's in msg.
	priority int
	delay    time.Duration // the rung on which it waits until it is due; zero for none

	// unrouted means that the message is not returned if no queue takes it.
	unrouted bool
}

// window is the most messages of one call that are in flight together. The client searches all of
// those for each confirm.
const window = 512

// publish sends out and waits for the confirms. It returns an error for each message, nil for a
// confirmed one.
func (p *publisher) publish(ctx context.Context, out []outgoing) []error {
	errs := make([]error, 0, len(out))
	for chunk := range slices.Chunk(out, window) {
		errs = append(errs, p.publishUnharmed(ctx, chunk)...)
	}
	for i, err := range errs {
		if err != nil {
			p.broker.topology.forget(out[i].queue) // It may have been deleted: check it next time.
		}
	}
	return errs
}

// publishChunk is publish for no more than a window. A message that can't go over the wire is
// refused by itself, because it would end the connection.
func (p *publisher) publishChunk(ctx context.Context, out []outgoing) []error {
	conn, err := p.connection(ctx)
	for err == nil && !conn.refusing.enter() {
		conn, err = p.connection(ctx)
	}
	if err != nil {
		return slices.Repeat([]error{err}, len(out))
	}
	errs := make([]error, len(out))
	defer func() {
		if conn.refusing.leave(out, errs) && conn.link.server.forgetsToAdmit() {
			p.retire(conn)
		}
	}()
	fit, at := make([]outgoing, 0, len(out)), make([]int, 0, len(out))
	by := p.broker.scale(conn.link.server)
	for i, o := range out {
		if o.priority > 0 {
			o.msg.Priority = by.level(o.priority)
		}
		if errs[i] = errors.Join(checkOutgoing(o, conn.frameMax()), p.checkSize(o)); errs[i] == nil {
			fit, at = append(fit, o), append(at, i)
		}
	}
	for i, err := range conn.publish(ctx, fit) {
		errs[at[i]] = err
	}
	return errs
}

// connection returns a connection that is alive, as far as is known.
func (p *publisher) connection(ctx context.Context) (*pubConn, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if conn := p.current.Load(); conn.alive() {
		return conn, nil
	}
	select {
	case p.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() { <-p.turn }()
	if p.closed.Load() {
		return nil, fmt.Errorf("rabbitmq: broker: %w", queue.ErrClosed)
	}
	if conn := p.current.Load(); conn.alive() {
		return conn, nil
	}
	if conn := p.current.Swap(nil); conn != nil {
		conn.close()
	}
	conn, err := p.connect(ctx, &p.blocked)
	if err == nil {
		p.current.Store(conn)
	}
	return conn, err
}

const (
	// pulse is the longest heartbeat of a connection for publishing. The broker sends twice within
	// it when it has nothing else to send, even while it does not read. So a broker that is slow or
	// in alarm is not taken for dead.
	pulse = 2 * time.Second

	// silence is the time without a byte from the broker after which the connection is cut.
	// Messages that wait for a confirm are then published again over the next one. A message that
	// the broker had taken before is then there twice.
	silence = 2 * pulse
)

// connect returns a connection with a channel in confirm mode. It keeps blocked up to date.
func (p *publisher) connect(ctx context.Context, blocked *atomic.Pointer[string]) (*pubConn, error) {
	ctx, cancel := context.WithTimeout(ctx, p.broker.cfg.DialTimeout)
	defer cancel()
	l, err := p.broker.dial(ctx, "publisher", pulse)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, l.cut)
	defer stop()
	ch, err := l.Channel()
	if err == nil {
		err = ch.Confirm(false)
	}
	if err != nil {
		l.cut()
		return nil, failed(ctx, l.at, "open a channel for publishing", err)
	}
	l.socket.expect(silence)
	return newPubConn(l, ch, blocked), nil
}

// close closes the connection, and refuses to make another one.
func (p *publisher) close() {
	if !p.closed.Swap(true) {
		close(p.ended)
	}
	p.turn <- struct{}{} // connecting is bounded, and so is this wait
	defer func() { <-p.turn }()
	if conn := p.current.Swap(nil); conn != nil {
		conn.close()
	}
	p.retired.Wait()
}

const (
	// maxHeaders is the most bytes of headers up to which a copy gets a reason and a stack. All
	// headers go in one frame, of 128 KiB unless the broker has another setting.
	maxHeaders = 100 << 10

	// maxShort is the most bytes of a short string of the protocol.
	maxShort = 255
)

// checkOutgoing refuses messages for which the client or the broker would end the connection.
func checkOutgoing(o outgoing, frameMax int) error {
	if err := checkShort(&o.msg); err != nil {
		return err
	}
	for name := range o.msg.Headers {
		if len(name) > maxShort {
			return badConfig("a name in Message.Headers", fmt.Sprintf("%d bytes", len(name)), "255 at most")
		}
	}
	room := headerRoom(frameMax)
	if n := size(o.msg.Headers); room > 0 && n > room {
		return badConfig("Message.Headers", fmt.Sprintf("%d bytes", n),
			fmt.Sprintf("%d at most, or larger frames at the broker", room))
	}
	return nil
}

// headerRoom returns the most bytes of headers that fit a frame beside the other properties, and 0
// if frames have no limit.
func headerRoom(frameMax int) int {
	if frameMax == 0 {
		return 0
	}
	return frameMax - 4*maxShort - 1024
}
