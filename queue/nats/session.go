package nats

import (
	"context"
	"fmt"
	"sync"
	"time"

	natsgo "github.com/nats-io/nats.go"

	"github.com/gentask/gentask/queue"
)

// session is one connection that competes for the messages of a queue. A delivery is in held from
// its arrival until its settlement is claimed, so that its lease is renewed also while it waits in
// ready.
type session struct {
	link      *link
	queue     string
	prefetch  int
	lease     time.Duration
	doubleAck bool

	look   func(context.Context) (terms, error) // looks at the queue
	doubts chan struct{}                        // capacity 1: the intake is in doubt

	makePlace   func(context.Context) (lease time.Duration, err error) // makes the place for suspects
	lookAtPlace func(context.Context) (*info, error)

	ready  chan *queue.Delivery // capacity is the prefetch, so that sending never blocks
	closed chan struct{}        // closed when Close starts
	keeper sync.WaitGroup       // waits for the goroutines that renew leases and watch the queue

	settles sync.WaitGroup // calls of Settle that have not returned; added to under mu, while not closing

	mu      sync.Mutex
	closing bool
	intake  *intake // set by Open and Resume; stays after Cancel, because its quiet is needed
	held    map[uint64]*holding
	taken   int // slots in use, by deliveries that are held, or claimed but not yet answered
	lastTag uint64
	repeats repeats
	terms   terms
	renewed bool // the intake was renewed, and the server has not answered since
	placed  bool // the place for suspects is there

	stillness stillness // of that place
}

// holding is one delivery, from its arrival until its settlement is claimed.
type holding struct {
	queue.Delivery
	reply   string    // the subject for its answers
	subject string    // of its copies for the same queue
	from    string    // of a dead letter: the subject that it had in its queue
	renewed time.Time // the start of its lease
	origin  origin
	copying bool // a copy is being published: not to be claimed again

	// miscounted reports that the server's count of deliveries will not be the attempt of the next
	// one; see early.go.
	miscounted bool
}

func newSession(l *link, name string, prefetch int, t terms, doubleAck bool) *session {
	return &session{
		link: l, queue: name, prefetch: prefetch, lease: t.lease, terms: t, doubleAck: doubleAck,
		doubts: make(chan struct{}, 1),
		ready:  make(chan *queue.Delivery, prefetch), closed: make(chan struct{}), held: map[uint64]*holding{},
	}
}

// start requests the first messages, and waits until the server has read the request.
func (s *session) start(ctx context.Context) error {
	if err := s.begin(); err != nil {
		return fmt.Errorf("nats: queue %q: %w", s.queue, err)
	}
	if err := flush(ctx, s.link.nc); err != nil {
		return fmt.Errorf("nats: queue %q: %w", s.queue, s.link.answer(ctx, err))
	}
	return nil
}

// Receive implements queue.Session.
func (s *session) Receive(ctx context.Context) (*queue.Delivery, error) {
	for {
		if err := s.ended(); err != nil {
			return nil, err
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		in, quiet := s.current()
		select {
		case d := <-s.ready:
			return d, nil
		case <-quiet:
			if d, err := s.last(ctx, in); d != nil || err != nil {
				return d, err
			}
		case <-s.closed:
		case <-s.link.lost:
		case <-ctx.Done():
		}
	}
}

// last returns a delivery that is left after a Cancel, and ErrCancelled after the last. It returns
// neither if another intake has begun meanwhile, or may.
func (s *session) last(ctx context.Context, in *intake) (*queue.Delivery, error) {
	select {
	case d := <-s.ready:
		return d, nil
	default:
	}
	if !s.final(in) {
		return s.between(ctx, in)
	}
	if s.link.nc.IsClosed() {
		<-s.link.lost // follows at once, and may be what has closed quiet
	}
	return nil, s.orEnded(queue.ErrCancelled)
}

// current returns the intake, and its quiet.
func (s *session) current() (*intake, chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.intake, s.intake.quiet
}

// cancelled returns the intake that a Cancel stops or has stopped, and its quiet; nil, if there was
// none.
func (s *session) cancelled() (*intake, chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.intake.stopping {
		return nil, nil
	}
	return s.intake, s.intake.quiet
}

// ended returns the reason why the session is over, or nil.
func (s *session) ended() error {
	select {
	case <-s.closed:
		return fmt.Errorf("nats: session: %w", queue.ErrClosed)
	default:
		return s.link.lostIfOver()
	}
}

// orEnded returns the reason why the session is over, and otherwise err.
func (s *session) orEnded(err error) error {
	if end := s.ended(); end != nil {
		return end
	}
	return err
}

// Cancel implements [queue.Session].
func (s *session) Cancel(ctx context.Context) error {
	if err := s.ended(); err != nil {
		return err
	}
	return s.stopIntake(ctx)
}

// Resume implements [queue.Session].
func (s *session) Resume(ctx context.Context) error {
	if err := s.ended(); err != nil {
		return err
	}
	in, quiet := s.cancelled()
	if in == nil {
		return nil
	}
	select {
	case <-quiet:
	case <-s.link.lost:
		return s.ended()
	case <-ctx.Done():
		return ctx.Err()
	}
	if s.goOn(in) {
		return nil
	}
	s.end(ctx, in)
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := s.begin(); err != nil {
		return s.orEnded(err)
	}
	return nil
}

// Close implements [queue.Session]. It releases all deliveries that are held, so that other
// sessions can get them at once, without another attempt.
func (s *session) Close(ctx context.Context) error {
	if !s.close() {
		return nil
	}
	stop := context.AfterFunc(ctx, func() { s.link.fail(ctx.Err()) })
	defer stop()
	_ = s.stopIntake(ctx) // fails only when the connection is over, or ctx
	s.settles.Wait()
	in, _ := s.current()
	s.end(ctx, in)
	s.releaseAll(ctx)
	s.link.close()
	s.keeper.Wait()
	if err := ctx.Err(); err != nil && !stop() {
		return fmt.Errorf("nats: close: connection cut: %w", err)
	}
	return nil
}

// close reports whether this is the first Close.
func (s *session) close() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing {
		return false
	}
	s.closing = true
	close(s.closed)
	return true
}

// flush returns when the server has read all earlier writes. The client has no flush without a
// deadline.
func flush(ctx context.Context, nc *natsgo.Conn) error {
	ctx, cancel := context.WithTimeout(ctx, flushTimeout)
	defer cancel()
	return nc.FlushWithContext(ctx)
}

// flushTimeout bounds a flush without a deadline. On a connection as slow as that the pings fail
// before.
const flushTimeout = 15 * time.Second
