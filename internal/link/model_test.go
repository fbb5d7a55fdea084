package link_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/gentask/gentask/internal/link"
	"github.com/gentask/gentask/queue"
)

// TestLink_Model: for all requests to a link and answers of its driver, each settlement and each
// return is answered exactly once while the link is open. Deliveries come only while the intake is
// open, nothing is sent after Closed, the session is closed once, and no goroutine is left. The
// driver fails, but obeys its contexts.
func TestLink_Model(t *testing.T) {
	var answers, breaks int
	rapid.Check(t, func(rt *rapid.T) {
		steps := rapid.SliceOfN(rapid.SampledFrom(upTo(1<<12)), 100, 400).Draw(rt, "steps")
		fates := rapid.SliceOfN(rapid.SampledFrom(upTo(int(fateCount)+25)), 60, 60).Draw(rt, "fates")
		var m *model
		inBubble(t, func(r *rig) {
			m = &model{rig: r, fates: fates, held: map[uint64]*queue.Delivery{}, asked: map[uint64]int{}}
			m.run(steps)
		})
		for _, err := range m.errs {
			rt.Fatal(err)
		}
		answers += m.answers
		if m.broken {
			breaks++
		}
	})
	if answers == 0 || breaks == 0 {
		t.Fatalf("%d answers and %d broken sessions prove nothing", answers, breaks)
	}
}

// upTo returns the numbers below n. Unlike those of rapid.IntRange, one of them is as likely as
// another.
func upTo(n int) []int {
	all := make([]int, n)
	for i := range all {
		all[i] = i
	}
	return all
}

// fate is how the driver ends a call. Others than these are success.
type fate int

const (
	slow      fate = iota // success after 3 s
	partly                // all but the first succeed
	none                  // none succeeds
	untilDone             // returns the error of its context when that ends
	lost                  // the session is lost
	crash                 // panics
	fateCount
)

// phase is the state of the intake.
type phase int

const (
	unopened phase = iota
	open
	cancelling
	dry
	resuming
)

// model drives a link like a ledger, and checks what it is sent.
type model struct {
	*rig
	mu    sync.Mutex
	fates []int
	calls int

	intake  phase
	held    map[uint64]*queue.Delivery // delivered, with no settlement under way
	asked   map[uint64]int             // settlements and returns under way, by tag
	backlog int                        // questions under way
	broken  bool
	closed  bool
	seen    int // messages
	ids     int
	answers int
	errs    []error
}

func (m *model) require(ok bool, format string, args ...any) {
	if !ok {
		m.errs = append(m.errs, fmt.Errorf("message %d: "+format, append([]any{m.seen}, args...)...))
	}
}

// fate returns the fate of the next call.
func (m *model) fate() fate {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.calls++
	return fate(m.fates[m.calls%len(m.fates)])
}

// call ends a call by its fate. It returns how many of the batch remain to be applied, from the
// end.
func (m *model) call(ctx context.Context, n int) (int, error) {
	switch m.fate() {
	case slow:
		select {
		case <-time.After(3 * time.Second):
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	case partly:
		return n - 1, errBroker
	case none:
		return 0, errBroker
	case untilDone:
		<-ctx.Done()
		return 0, ctx.Err()
	case lost:
		return 0, queue.ErrSessionLost
	case crash:
		panic(errBroker)
	case fateCount:
	}
	return n, nil
}

func (m *model) settleBatch(ctx context.Context, s queue.Session, batch []queue.Settlement) error {
	n, err := m.call(ctx, len(batch))
	if n > 0 {
		if err := s.Settle(ctx, batch[len(batch)-n:]); err != nil {
			return err
		}
	}
	if err == errBroker { //nolint:errorlint // made above
		var tags []uint64
		for i := range batch[:len(batch)-n] {
			tags = append(tags, batch[i].Delivery.Tag)
		}
		return failed(err, tags...)
	}
	return err
}

func (m *model) control(ctx context.Context) error {
	_, err := m.call(ctx, 0)
	return err
}

// run opens a link, takes the steps, waits for what is owed and closes.
func (m *model) run(steps []int) {
	var inner queue.Session
	m.rig.open = func(ctx context.Context) (queue.Session, error) {
		if steps[0]%8 == 0 {
			if _, err := m.call(ctx, 0); err != nil {
				return nil, err
			}
		}
		s, err := m.session(ctx)
		if err == nil {
			inner = s.(*returner).Session
		}
		return s, err
	}
	settle := func(ctx context.Context, batch []queue.Settlement) error { return m.settleBatch(ctx, inner, batch) }
	m.settle, m.ret = settle, settle
	m.rig.resume = m.control
	m.start()
	for _, step := range steps {
		if m.broken {
			break
		}
		m.step(step%16, step/16)
		m.require(!m.link.Hurry(time.Now()), "an obedient driver owes nothing")
	}
	for range 200 { // as long as a few batches may take that are cut
		m.read()
		if !m.broken {
			m.require(!m.hurryFor(500*time.Millisecond), "an obedient driver owes nothing")
		}
	}
	m.read()
	m.require(m.broken || len(m.asked) == 0 && m.backlog == 0, "no answer to %v", m.asked)
	m.require(m.broken || m.intake == open || m.intake == dry, "no answer to a cancel or a resume: %d", m.intake)
	m.finish(steps[0])
}

// finish closes the link by one of its ways, also in the middle of calls.
func (m *model) finish(way int) {
	m.publishSome(3)
	m.settleHeld(queue.Ack, len(m.held))
	m.settleHeld(queue.Requeue, len(m.held))
	if way%2 == 0 {
		synctest.Wait()
	}
	if way%3 == 0 {
		m.link.Abort()
		m.read()
	} else {
		m.link.Close(link.CloseTimeout)
		time.Sleep(link.CloseTimeout + link.DriverGrace)
		m.read()
		m.require(m.closed, "not closed")
	}
	m.seen = 0
	time.Sleep(time.Hour)
	m.read()
	m.require(m.seen == 0, "something was sent after the end")
	m.require(m.Stats().Sessions == 0, "session not closed")
	m.require(m.closes.Load() <= 1, "session closed %d times", m.closes.Load())
	m.require(m.cfg.Driving.Stats().Late == 0, "left behind")
}

// step does one thing that a ledger does.
func (m *model) step(op, n int) {
	switch op {
	case 0, 1:
		m.publishSome(1 + n%3)
	case 2, 3, 4:
		m.read()
	case 5, 6:
		m.settleHeld(queue.Ack, 1+n%4)
	case 7, 8:
		m.settleHeld(queue.Disposition(1+n%4), 1+n%4) //nolint:gosec // a disposition
	case 9:
		m.returnHeld()
	case 10:
		if m.intake == open {
			m.intake = cancelling
			m.link.CancelIntake()
		}
	case 11:
		if m.intake == dry {
			m.intake = resuming
			m.link.ResumeIntake()
		}
	case 12:
		m.backlog++
		m.link.AskBacklog(m)
	case 13:
		if m.intake == unopened && n%8 != 0 {
			return
		}
		m.link.CloseUnopened()
		m.broken = m.intake == unopened // it may be closed now
	default:
		time.Sleep(time.Duration(n%2000) * time.Millisecond)
	}
}

func (m *model) publishSome(n int) {
	for range n {
		m.ids++
		_ = m.Publish(context.Background(), queue.Message{ID: fmt.Sprint(m.ids)})
	}
}

func (m *model) settleHeld(disposition queue.Disposition, n int) {
	for _, tag := range slices.Sorted(maps.Keys(m.held)) {
		if n--; n < 0 {
			return
		}
		m.settleAs(disposition, m.held[tag])
		delete(m.held, tag)
		m.asked[tag]++
	}
}

func (m *model) returnHeld() {
	for _, tag := range slices.Sorted(maps.Keys(m.held)) {
		batch := []*queue.Delivery{m.held[tag]}
		delete(m.held, tag)
		m.asked[tag]++
		m.link.Return(batch, settlementsOf(batch))
		return
	}
}

// read handles what was sent.
func (m *model) read() {
	synctest.Wait()
	m.rig.mu.Lock()
	sent := m.sent
	m.sent = nil
	m.rig.mu.Unlock()
	for _, msg := range sent {
		m.seen++
		if err := check(m.link, msg); err != nil {
			m.require(false, "%w", err)
		}
		m.require(!m.closed, "%T after Closed", msg)
		m.on(msg)
	}
}

func (m *model) on(msg any) {
	switch msg := msg.(type) {
	case *opened:
		m.turn(unopened, open)
	case *drained:
		m.turn(cancelling, dry)
	case *flowing:
		m.turn(resuming, open)
	case *delivered:
		m.require(m.intake == open || m.intake == cancelling, "delivery in phase %d", m.intake)
		m.held[msg.Delivery.Tag] = msg.Delivery
	case *settled:
		m.onAnswer(msg.Entries, msg.Settlements, msg.Answer)
		msg.Recycle()
	case *returned:
		m.require(!msg.Unsupported, "a return is supported")
		m.onAnswer(msg.Entries, msg.Settlements, msg.Answer)
	case *backlog:
		m.backlog--
	case *broken:
		m.broken = true
	case *closed:
		m.closed = true
	case *leftBehind:
		m.require(false, "an obedient driver was left behind")
	}
}

func (m *model) turn(from, to phase) {
	m.require(m.intake == from, "phase %d sent in %d", to, m.intake)
	m.intake = to
}

func (m *model) onAnswer(entries []*queue.Delivery, batch []queue.Settlement, a link.Answer) {
	m.broken = m.broken || a.Over
	m.require(len(entries) == len(batch) && len(batch) > 0, "%d entries, %d settlements", len(entries), len(batch))
	for i, d := range entries {
		m.require(batch[i].Delivery == d, "entry and settlement differ")
		m.require(m.asked[d.Tag] == 1, "%d settlements of %d under way", m.asked[d.Tag], d.Tag)
		delete(m.asked, d.Tag)
		m.answers++
		if _, bad := a.Failed[d.Tag]; bad {
			m.held[d.Tag] = d
		}
	}
}
