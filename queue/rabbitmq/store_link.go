package rabbitmq

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/rabbitmq/internal/replica"
)

// storeLink is one connection of a store.
type storeLink struct {
	*seamConn
	store  *store
	pub    *amqp.Channel
	in     *amqp.Channel
	out    chan []byte
	after  *mark         // the entry that must come first; nil if any may
	first  chan struct{} // closed when that has come
	lately atomic.Int64  // when an entry came last, in nanoseconds since the begin
	began  time.Time
}

// mark is the place and the ID of an entry.
type mark struct {
	offset int64
	id     string
}

// The stream of a store, and how it is read.
const (
	storePrefix  = "gentask.store."
	pinSuffix    = ".new" // no store has such a name
	prefetch     = 512
	ackEach      = 64
	argQueueType = "x-queue-type"
)

// args returns the arguments of the stream.
func (z sizes) args() amqp.Table {
	return amqp.Table{
		argQueueType: "stream", "x-max-length-bytes": z.log, "x-stream-max-segment-size-bytes": z.segment,
	}
}

// dial connects, reads on where the last connection has ended, and returns when everything is read
// that was there.
func (s *store) dial(ctx context.Context) (l *storeLink, err error) {
	for range snapshotTries {
		if l, err = s.readAll(ctx); !errors.Is(err, errNoSnapshot) || ctx.Err() != nil {
			break
		}
	}
	return l, err
}

// snapshotTries is how often a connection looks for a snapshot. While many write to a small log,
// the broker may drop one that a reader has just found.
const snapshotTries = 3

// readAll connects once, and reads everything that is there.
func (s *store) readAll(ctx context.Context) (*storeLink, error) {
	l, err := s.connect(ctx)
	if err != nil {
		return nil, err
	}
	if err = s.settle(ctx, l); err != nil {
		l.drop()
		return nil, err
	}
	s.abandon(l)
	s.scheduleAll()
	return l, nil
}

// connect connects, and begins to read.
func (s *store) connect(ctx context.Context) (*storeLink, error) {
	ctx, cancel := context.WithTimeout(ctx, seamDial)
	defer cancel()
	conn, err := s.broker.dialSeam(ctx, "store")
	if err != nil {
		return nil, err
	}
	l := &storeLink{seamConn: conn, store: s, out: make(chan []byte, 64), first: make(chan struct{}), began: time.Now()}
	var entries <-chan amqp.Delivery
	err = l.bounded(ctx, func() error {
		entries, err = l.begin()
		return errors.Join(err, ctx.Err())
	})
	if err == nil {
		l.work.Go(func() { l.read(entries) })
		err = l.findPlace(ctx)
	}
	if err != nil {
		l.drop()
		return nil, err
	}
	return l, nil
}

// placeTime is how long the entry that was read last may take to come again. The broker is silent
// if the place is behind the end of the log.
const placeTime = time.Second

// findPlace returns when the entry has come that must come first.
func (l *storeLink) findPlace(ctx context.Context) error {
	if l.after == nil {
		return nil
	}
	select {
	case <-l.first:
		return nil
	case <-l.over():
		return l.why()
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(placeTime):
		l.store.restart(false)
		return errNoEcho
	}
}

// begin declares the stream, and reads from the right place.
func (l *storeLink) begin() (entries <-chan amqp.Delivery, err error) {
	if l.pub, err = l.channel(); err != nil {
		return nil, err
	}
	made, err := l.pub.QueueDeclare(l.store.stream, true, false, false, false, l.store.sizes.args())
	if err == nil {
		err = pin(l.server, l.pub, made, l.store.stream+pinSuffix)
	}
	if err != nil {
		return nil, err
	}
	returns := l.pub.NotifyReturn(make(chan amqp.Return, 16))
	l.work.Go(func() { l.returned(returns) })
	l.work.Go(l.write)
	from, err := l.from()
	if err != nil {
		return nil, err
	}
	if l.in, err = l.channel(); err != nil {
		return nil, err
	}
	return l.consume(l.in, from)
}

// consume reads the stream from an offset on, or from "first" or "last".
func (l *storeLink) consume(ch *amqp.Channel, from any) (<-chan amqp.Delivery, error) {
	if err := ch.Qos(prefetch, 0, false); err != nil { // required by streams
		return nil, err
	}
	return ch.Consume(l.store.stream, "", false, false, false, false, amqp.Table{argOffset: from})
}

// from returns where to read: at the entry that was read last, so that a log whose end was lost is
// noticed, or where the newest snapshot begins.
func (l *storeLink) from() (any, error) {
	s := l.store
	s.mu.Lock()
	f, first := s.follower, s.first
	offset, id := f.Last()
	started := f.Started()
	s.mu.Unlock()
	switch {
	case first && !started:
		return "first", nil
	case !started:
		return l.findStart()
	}
	l.after = &mark{offset, id}
	return offset, nil
}

// settle returns when the store's state is that of the log at this moment.
func (s *store) settle(ctx context.Context, l *storeLink) error {
	ctx, done := l.while(ctx)
	defer done()
	l.lately.Store(int64(time.Since(l.began)))
	l.work.Go(func() { l.expectEntries(ctx) })
	for {
		w, err := s.do(ctx, l, &replica.Entry{Kind: replica.KindBeat}, false)
		if err != nil {
			return fmt.Errorf("%w: %w", errNoEcho, err)
		}
		if o := <-w.outcome; o.Err != nil && !errors.Is(o.Err, replica.ErrOther) {
			return o.Err
		}
		e := s.missing()
		if e == nil {
			return nil
		}
		if _, err := s.do(ctx, l, e, false); err != nil {
			return fmt.Errorf("%w: %w", errNoEcho, err)
		}
	}
}

// expectEntries ends the connection if no entry has come for seamDial, until ctx ends. As long as
// entries come, a log may take its time: a slow network needs many seconds for a large one.
func (l *storeLink) expectEntries(ctx context.Context) {
	look := time.NewTicker(seamDial / 8)
	defer look.Stop()
	for {
		select {
		case <-look.C:
			if l.silentFor(seamDial) {
				l.cut()
			}
		case <-ctx.Done():
			return
		}
	}
}

// errNoEcho is the reason of a connection on which an entry did not come back.
var errNoEcho = errors.New("an entry was not read back")

// missing returns the entry that the log needs before it can be used: its first, or one because
// its end was lost. Nil means none.
func (s *store) missing() *replica.Entry {
	s.mu.Lock()
	defer s.mu.Unlock()
	known := s.follower.State()
	if known.Incarnation() == "" {
		return &replica.Entry{Kind: replica.KindGenesis, Since: time.Now().UnixMicro()}
	}
	lost := s.loss
	last, _ := s.follower.Last()
	if lost == nil || lost.incarnation != known.Incarnation() || !lost.rewritten && last >= lost.next {
		s.loss, s.first = nil, false
		return nil
	}
	return &replica.Entry{Kind: replica.KindRenew, Since: lost.next}
}

// loss is what was known of a log whose end may have been lost.
type loss struct {
	incarnation string
	next        int64
	rewritten   bool // another entry is at the place of one that was read
}

// restart forgets what was read. The next connection reads from the newest snapshot.
func (s *store) restart(rewritten bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if known := s.follower.State(); known != nil && s.loss == nil {
		last, _ := s.follower.Last()
		s.loss = &loss{known.Incarnation(), last + 1, rewritten}
	}
	s.follower = replica.NewFollower()
}

// send hands an entry to the writer.
func (l *storeLink) send(ctx context.Context, data []byte) error {
	if l.blocked.Load() {
		return fmt.Errorf("%w: %w", queue.ErrUnavailable, ErrBlocked)
	}
	select {
	case <-l.over():
		return l.why()
	default:
	}
	select {
	case l.out <- data:
		return nil
	case <-l.over():
		return l.why()
	case <-ctx.Done():
		return ctx.Err()
	}
}

// write writes entries; those that come together are written in one system call.
func (l *storeLink) write() {
	for {
		select {
		case data := <-l.out:
			l.socket.push()
			l.put(data)
			for range len(l.out) {
				l.put(<-l.out)
			}
			l.socket.pull()
		case <-l.over():
			return
		}
	}
}

// put writes one entry. The connection ends if that fails, and its writer is uncertain.
func (l *storeLink) put(data []byte) {
	if l.publish(l.pub, "", l.store.stream, true, amqp.Publishing{Body: data}) != nil {
		l.cut()
	}
}

// returned handles entries for which there is no stream: it is made again by the next connection.
func (l *storeLink) returned(returns <-chan amqp.Return) {
	for r := range returns {
		if e, err := replica.Decode(r.Body); err == nil {
			l.store.mu.Lock()
			l.store.answer(e.ID, replica.Outcome{Err: errReturned})
			l.store.mu.Unlock()
		}
		l.cut()
	}
}

// silentFor reports whether no entry has come for a time.
func (l *storeLink) silentFor(d time.Duration) bool {
	return time.Since(l.began)-time.Duration(l.lately.Load()) >= d
}

// offsetOf returns the place of an entry in the stream.
func offsetOf(d *amqp.Delivery) int64 {
	offset, _ := d.Headers[argOffset].(int64)
	return offset
}
