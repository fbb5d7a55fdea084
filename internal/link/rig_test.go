package link_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/internal/guard"
	"github.com/gentask/gentask/internal/link"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/memory"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	openTimeout = 30 * time.Second
	prefetch    = 10
)

var errBroker = errors.New("broker")

// The messages of these tests, where an entry is its delivery.
type (
	testLink  = link.Link[*queue.Delivery]
	opened    = link.Opened[*queue.Delivery]
	drained   = link.Drained[*queue.Delivery]
	flowing   = link.Flowing[*queue.Delivery]
	broken    = link.Broken[*queue.Delivery]
	settled   = link.Settled[*queue.Delivery]
	returned  = link.Returned[*queue.Delivery]
	backlog   = link.Backlog[*queue.Delivery]
	closed    = link.Closed[*queue.Delivery]
	delivered struct {
		From     *testLink
		Delivery *queue.Delivery
	}
	leftBehind struct{}
)

// driver is the memory queue, or a function in place of one of its methods.
type driver struct {
	*memory.Queue
	open func(context.Context) (queue.Session, error)

	receive func(context.Context) (*queue.Delivery, error)
	settle  func(context.Context, []queue.Settlement) error
	cancel  func(context.Context) error
	resume  func(context.Context) error
	close   func(context.Context) error
	ret     func(context.Context, []queue.Settlement) error

	opens, closes atomic.Int32
	options       queue.Options
}

func (d *driver) Open(ctx context.Context, opts queue.Options) (queue.Session, error) {
	d.opens.Add(1)
	d.options = opts
	if d.open != nil {
		return d.open(ctx)
	}
	return d.session(ctx)
}

func (d *driver) session(ctx context.Context) (queue.Session, error) {
	s, err := d.Queue.Open(ctx, queue.Options{Prefetch: prefetch})
	if err != nil {
		return nil, err
	}
	if d.ret == nil {
		return &session{s, d}, nil
	}
	return &returner{session{s, d}}, nil
}

type session struct {
	queue.Session
	*driver
}

func (s *session) Receive(ctx context.Context) (*queue.Delivery, error) {
	if s.receive != nil {
		return s.receive(ctx)
	}
	return s.Session.Receive(ctx)
}

func (s *session) Settle(ctx context.Context, batch []queue.Settlement) error {
	if s.settle != nil {
		return s.settle(ctx, batch)
	}
	return s.Session.Settle(ctx, batch)
}

func (s *session) Cancel(ctx context.Context) error {
	if s.cancel != nil {
		return s.cancel(ctx)
	}
	return s.Session.Cancel(ctx)
}

func (s *session) Resume(ctx context.Context) error {
	if s.resume != nil {
		if err := s.resume(ctx); err != nil {
			return err
		}
	}
	return s.Session.Resume(ctx)
}

func (s *session) Close(ctx context.Context) error {
	s.closes.Add(1)
	if s.close != nil {
		if err := s.close(ctx); err != nil {
			return err
		}
	}
	return s.Session.Close(ctx)
}

type returner struct{ session }

func (s *returner) Return(ctx context.Context, batch []queue.Settlement) error {
	return s.ret(ctx, batch)
}

// rig is a link, its driver, and the messages that it sends.
type rig struct {
	*testing.T
	*driver
	link  *testLink
	hooks *guard.Host
	cfg   link.Config[*queue.Delivery]

	mu   sync.Mutex
	sent []any
}

// inBubble runs a test with a driver that is not opened yet.
func inBubble(t *testing.T, test func(*rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		q := memory.New(memory.Config{Name: "jobs"})
		defer q.Close()
		r := &rig{T: t, driver: &driver{Queue: q}, hooks: guard.NewHost(actor.Recovered)}
		r.cfg = link.Config[*queue.Delivery]{
			Source: r.driver, Options: queue.Options{Prefetch: prefetch, Name: "consumer"}, OpenTimeout: openTimeout,
			Send:       r.send,
			Deliver:    func(from *testLink, d *queue.Delivery) { r.send(&delivered{from, d}) },
			LeftBehind: func() { r.send(&leftBehind{}) },
			Closing:    r.hooks.Hook("Close", 0), Waiting: r.hooks.Hook("Waiting", time.Second),
			Standing: r.hooks.Hook("Standing", time.Second),
			Driving:  r.hooks.Hook("Session", 0),
		}
		defer func() {
			if r.link != nil {
				r.link.Close(link.CloseTimeout)
				synctest.Wait()
			}
		}()
		test(r)
	})
}

// withSession is inBubble with a session, whose messages so far are read.
func withSession(t *testing.T, test func(*rig)) {
	t.Helper()
	inBubble(t, func(r *rig) {
		r.start()
		next[*opened](r)
		test(r)
	})
}

func (r *rig) start() { r.link = link.Open(r.cfg) }

func (r *rig) send(msg any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sent = append(r.sent, msg)
}

// take returns what was sent since the last time.
func (r *rig) take() []any {
	synctest.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	sent := r.sent
	r.sent = nil
	for _, msg := range sent {
		require.NoError(r, check(r.link, msg))
	}
	return sent
}

// check returns an error unless a message names its link and has sealed errors only.
func check(l *testLink, msg any) error {
	var from *testLink
	var errs []error
	switch m := msg.(type) {
	case *opened:
		from = m.From
	case *drained:
		from = m.From
	case *flowing:
		from = m.From
	case *delivered:
		from = m.From
	case *closed:
		from = m.From
	case *broken:
		from, errs = m.From, []error{m.Err}
	case *backlog:
		from, errs = m.From, []error{m.Err}
	case *settled:
		from, errs = m.From, errorsOf(m.Answer)
	case *returned:
		from, errs = m.From, errorsOf(m.Answer)
	case *link.Isolated[*queue.Delivery]:
		from, errs = m.From, errorsOf(m.Answer)
	case *link.IsolatedCount[*queue.Delivery]:
		from, errs = m.From, []error{m.Err}
	case *link.IsolatedTaken[*queue.Delivery]:
		from = m.From
	case *leftBehind:
		return nil
	}
	if from != l {
		return fmt.Errorf("%T without its link", msg)
	}
	for _, err := range errs {
		if guard.Seal(err) != err { //nolint:errorlint // Seal returns a sealed error itself
			return fmt.Errorf("%T has an error that is not sealed: %w", msg, err)
		}
	}
	return nil
}

func errorsOf(a link.Answer) []error {
	errs := []error{a.Err}
	for _, err := range a.Failed {
		errs = append(errs, err)
	}
	return errs
}

// next returns the one message that was sent, which must be a T.
func next[T any](r *rig) T {
	r.Helper()
	sent := r.take()
	require.Len(r, sent, 1, "%v", kinds(sent))
	require.IsType(r, *new(T), sent[0])
	return sent[0].(T)
}

// kinds returns the types of messages.
func kinds(sent []any) []string {
	names := []string{}
	for _, msg := range sent {
		switch m := msg.(type) {
		case *opened:
			names = append(names, "opened")
		case *drained:
			names = append(names, "drained")
		case *flowing:
			names = append(names, "flowing")
		case *delivered:
			names = append(names, m.Delivery.ID)
		case *settled:
			names = append(names, "settled")
		case *returned:
			names = append(names, "returned")
		case *closed:
			names = append(names, "closed")
		case *leftBehind:
			names = append(names, "left behind")
		case *broken:
			names = append(names, fmt.Sprint("broken: ", m.Err))
		case *backlog:
			names = append(names, fmt.Sprint("backlog: ", m.Waiting))
		}
	}
	return names
}

// sends requires the messages that were sent, in order.
func (r *rig) sends(want ...string) {
	r.Helper()
	require.Equal(r, append([]string{}, want...), kinds(r.take()))
}

// publish publishes messages.
func (r *rig) publish(ids ...string) {
	r.Helper()
	for _, id := range ids {
		require.NoError(r, r.Publish(r.Context(), queue.Message{ID: id}))
	}
}

// deliver publishes messages and returns their deliveries.
func (r *rig) deliver(ids ...string) []*queue.Delivery {
	r.Helper()
	r.publish(ids...)
	sent := r.take()
	require.Equal(r, ids, kinds(sent))
	all := make([]*queue.Delivery, len(sent))
	for i, msg := range sent {
		all[i] = msg.(*delivered).Delivery
	}
	return all
}

func (r *rig) settleAs(disposition queue.Disposition, all ...*queue.Delivery) {
	for _, d := range all {
		r.link.Settle(d, queue.Settlement{Delivery: d, Disposition: disposition})
	}
	r.link.Flush()
}

func settlementsOf(all []*queue.Delivery) []queue.Settlement {
	batch := make([]queue.Settlement, len(all))
	for i, d := range all {
		batch[i] = queue.Settlement{Delivery: d, Disposition: queue.Requeue}
	}
	return batch
}

// hurryFor passes time, and asks every half second whether the driver owes an answer.
func (r *rig) hurryFor(d time.Duration) (overdue bool) {
	for end := time.Now().Add(d); time.Now().Before(end); {
		time.Sleep(min(500*time.Millisecond, time.Until(end)))
		synctest.Wait()
		overdue = r.link.Hurry(time.Now())
	}
	return overdue
}

// hang is a call that ignores its context, and returns when release is closed.
func hang(release <-chan struct{}) func(context.Context) error {
	return func(context.Context) error {
		<-release
		return nil
	}
}

// crashes are the ways in which a driver breaks without an error.
var crashes = map[string]struct {
	crash func()
	want  error
}{
	"panic":  {func() { panic(errBroker) }, errBroker},
	"Goexit": {runtime.Goexit, actor.ErrGoexit},
}
