package memory_test

import (
	"context"
	"slices"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/memory"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// TestModel: after any operations in any order, every delivery is the one that a plain list
// predicts, and the counts are consistent.
func TestModel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// A bubble has no deadline to be asked for, so rapid must not see that t has one.
		rapid.Check(struct{ testing.TB }{t}, func(rt *rapid.T) {
			m := newModel(t.Context())
			defer m.q.Close()
			rt.Repeat(map[string]func(*rapid.T){
				"publish": m.publish, "open": m.open, "receive": m.receive, "settle": m.settle, "sleep": m.sleep,
				"end": m.end, "cancel": m.cancel, "again": m.settleAgain, "": m.check,
			})
		})
	})
}

// model is a queue and its expected contents.
type model struct {
	ctx      context.Context
	q        *memory.Queue
	n        int // messages and delays made so far
	ready    []message
	delayed  []message // the next one due first
	sessions []*sessionModel
	settled  []settledModel
	handed   map[*queue.Delivery]int // number of the hand-out of each delivery
	stats    memory.Stats
}

// message is the expected next delivery of a message.
type message struct {
	id          string
	attempt     int
	redelivered bool
	due         time.Time
	back        int // number of the hand-out from which it has returned to the head; zero if it hasn't
}

// sessionModel is an open session and the deliveries that it should hold, in their order.
type sessionModel struct {
	queue.Session
	prefetch  int
	cancelled bool
	held      []*queue.Delivery
}

// settledModel is a delivery that was settled, and its session, which may be over.
type settledModel struct {
	s queue.Session
	d *queue.Delivery
}

// newModel returns an empty queue and its model.
func newModel(ctx context.Context) *model {
	return &model{ctx: ctx, handed: map[*queue.Delivery]int{}, q: memory.New(memory.Config{Journal: true})}
}

// publish adds to the tail.
func (m *model) publish(t *rapid.T) {
	for range rapid.IntRange(1, 20).Draw(t, "messages") {
		m.n++
		id := strconv.Itoa(m.n)
		require.NoError(t, m.q.Publish(m.ctx, queue.Message{ID: id}))
		m.ready = append(m.ready, message{id: id, attempt: 1})
		m.stats.Published++
	}
}

// open opens a session, up to four.
func (m *model) open(t *rapid.T) {
	if len(m.sessions) == 4 {
		t.Skip("enough sessions")
	}
	prefetch := rapid.IntRange(1, 8).Draw(t, "prefetch")
	s, err := m.q.Open(m.ctx, queue.Options{Prefetch: prefetch})
	require.NoError(t, err)
	m.sessions = append(m.sessions, &sessionModel{Session: s, prefetch: prefetch})
	m.stats.Opened++
}

// pick draws a session.
func (m *model) pick(t *rapid.T) *sessionModel {
	if len(m.sessions) == 0 {
		t.Skip("no session")
	}
	return rapid.SampledFrom(m.sessions).Draw(t, "session")
}

// receive gets the head, or waits in vain when nothing is ready or every slot is taken.
func (m *model) receive(t *rapid.T) {
	s := m.pick(t)
	ctx, cancel := context.WithTimeout(m.ctx, time.Nanosecond)
	defer cancel()
	d, err := s.Receive(ctx)
	switch {
	case s.cancelled:
		require.ErrorIs(t, err, queue.ErrCancelled)
	case len(m.ready) == 0 || len(s.held) == s.prefetch:
		require.ErrorIs(t, err, context.DeadlineExceeded)
		m.advance()
	default:
		require.NoError(t, err)
		want := m.ready[0]
		m.ready = m.ready[1:]
		want.back = 0
		m.handed[d] = len(m.handed) + 1
		require.Equal(t, want, message{id: d.ID, attempt: d.Attempt, redelivered: d.Redelivered})
		s.held = append(s.held, d)
		m.stats.Delivered++
	}
}

// settle settles some of what a session holds, in one batch and in any order.
func (m *model) settle(t *rapid.T) {
	s := m.pick(t)
	if len(s.held) == 0 {
		t.Skip("holds nothing")
	}
	ds := rapid.Permutation(s.held).Draw(t, "order")
	ds = ds[:rapid.IntRange(1, len(ds)).Draw(t, "batch")]
	var batch []queue.Settlement
	for _, d := range ds {
		disposition := queue.Disposition(rapid.IntRange(int(queue.Ack), int(queue.DeadLetter)).Draw(t, "disposition"))
		st := queue.Settlement{Delivery: d, Disposition: disposition}
		if st.Disposition == queue.Requeue && rapid.Bool().Draw(t, "later") {
			st.After = m.delay(t)
		}
		batch = append(batch, st)
	}
	require.NoError(t, s.Settle(m.ctx, batch))
	m.apply(s, batch)
}

// delay draws a delay that no other message has, so that none are due at the same moment.
func (m *model) delay(t *rapid.T) time.Duration {
	m.n++
	return time.Duration(rapid.IntRange(1, 50).Draw(t, "ms"))*time.Millisecond + time.Duration(m.n)*time.Microsecond
}

// apply applies batch to the model, as the queue should have done.
func (m *model) apply(s *sessionModel, batch []queue.Settlement) {
	var released []*queue.Delivery
	for _, st := range batch {
		d := st.Delivery
		s.held = slices.DeleteFunc(s.held, func(other *queue.Delivery) bool { return other == d })
		m.settled = append(m.settled, settledModel{s.Session, d})
		next := message{id: d.ID, attempt: d.Attempt + 1, redelivered: true}
		switch {
		case st.Disposition == queue.Ack:
			m.stats.Acked++
		case st.Disposition == queue.DeadLetter:
			m.stats.DeadLettered++
		case st.Disposition == queue.Release:
			released = append(released, d)
			m.stats.Released++
		case st.After > 0:
			next.due = time.Now().Add(st.After)
			m.delayed = append(m.delayed, next)
			m.stats.Requeued++
		default:
			m.ready = append(m.ready, next)
			m.stats.Requeued++
		}
	}
	m.giveBack(released, 0)
}

// giveBack puts ds before the head, in the order in which they were handed out, also among those
// that have come back there before.
func (m *model) giveBack(ds []*queue.Delivery, attempts int) {
	for _, d := range ds {
		back, at := m.handed[d], 0
		for at < len(m.ready) && m.ready[at].back > 0 && m.ready[at].back < back {
			at++
		}
		m.ready = slices.Insert(m.ready, at, message{
			id: d.ID, attempt: d.Attempt + attempts, redelivered: true,
			back: back,
		})
	}
}

// settleAgain is refused, whether the session is open or not.
func (m *model) settleAgain(t *rapid.T) {
	if len(m.settled) == 0 {
		t.Skip("nothing settled")
	}
	old := rapid.SampledFrom(m.settled).Draw(t, "settled")
	err := old.s.Settle(m.ctx, all(queue.Requeue, old.d))
	require.Error(t, err)
	m.stats.Refused++
	for _, s := range m.sessions {
		if s.Session == old.s {
			require.ErrorIs(t, err, queue.ErrSettled)
			return
		}
	}
	require.NotErrorIs(t, err, queue.ErrSettled)
}

// end closes or breaks a session: its deliveries return to the head.
func (m *model) end(t *rapid.T) {
	s := m.pick(t)
	want := queue.ErrClosed
	if rapid.Bool().Draw(t, "break") {
		require.True(t, m.q.LoseSession(m.q.Held()[slices.Index(m.sessions, s)].Session))
		want = queue.ErrSessionLost
		m.stats.Lost++
	} else {
		require.NoError(t, s.Close(m.ctx))
	}
	_, err := s.Receive(m.ctx)
	require.ErrorIs(t, err, want)
	m.stats.Returned += len(s.held)
	m.giveBack(s.held, 1)
	m.sessions = slices.DeleteFunc(m.sessions, func(other *sessionModel) bool { return other == s })
}

// cancel stops a session's flow, or resumes it.
func (m *model) cancel(t *rapid.T) {
	s := m.pick(t)
	s.cancelled = !s.cancelled
	if s.cancelled {
		require.NoError(t, s.Cancel(m.ctx))
	} else {
		require.NoError(t, s.Resume(m.ctx))
	}
}

// sleep waits until delays have passed.
func (m *model) sleep(t *rapid.T) {
	time.Sleep(time.Duration(rapid.IntRange(1, 30).Draw(t, "ms")) * time.Millisecond)
	m.advance()
}

// advance moves the messages that are due to the tail.
func (m *model) advance() {
	synctest.Wait()
	slices.SortFunc(m.delayed, func(a, b message) int { return a.due.Compare(b.due) })
	for len(m.delayed) > 0 && !m.delayed[0].due.After(time.Now()) {
		next := m.delayed[0]
		next.due = time.Time{}
		m.ready, m.delayed = append(m.ready, next), m.delayed[1:]
	}
}

// check compares the counts, and verifies the queue.
func (m *model) check(t *rapid.T) {
	require.NoError(t, m.q.Check())
	got := m.q.Stats()
	want := m.stats
	want.Ready, want.Delayed, want.Sessions, want.MaxHeld = len(m.ready), len(m.delayed), len(m.sessions), got.MaxHeld
	for i, h := range m.q.Held() {
		want.Held += len(m.sessions[i].held)
		require.Len(t, h.Deliveries, len(m.sessions[i].held))
		require.LessOrEqual(t, len(h.Deliveries), h.Prefetch)
	}
	require.Equal(t, want, got)
	require.Len(t, m.q.DeadLetters(), want.DeadLettered)
}
