package schedule

import (
	"bytes"
	"context"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/memory"
)

// node is one that runs plans in the bubble of a test.
type node struct {
	stop context.CancelFunc
	done chan error
	log  *bytes.Buffer
}

// start starts a node; the test stops it.
func start(t *testing.T, p queue.Publisher, plans ...Plan) *node {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	n := &node{stop: cancel, done: make(chan error, 1), log: &bytes.Buffer{}}
	go func() { n.done <- Run(ctx, p, Config{Plans: plans, Logger: slog.New(slog.NewTextHandler(n.log, nil))}) }()
	return n
}

// end stops nodes, and requires that they end without an error, and returns what they have logged.
func end(t *testing.T, nodes ...*node) string {
	t.Helper()
	logged := ""
	for _, n := range nodes {
		n.stop()
		require.NoError(t, <-n.done)
		logged += n.log.String()
	}
	return logged
}

// planned takes everything out of q, and returns the planned times of it, in order.
func planned(t *testing.T, q *memory.Queue) []string {
	t.Helper()
	synctest.Wait()
	s, err := q.Open(t.Context(), queue.Options{Prefetch: 1})
	require.NoError(t, err)
	var times []string
	for range q.Stats().Ready {
		d, err := s.Receive(t.Context())
		require.NoError(t, err)
		times = append(times, d.Headers[HeaderPlanned])
		require.NoError(t, s.Settle(t.Context(), []queue.Settlement{{Delivery: d, Disposition: queue.Ack}}))
	}
	require.NoError(t, s.Close(t.Context()))
	return times
}

// in runs a test with a queue in a bubble, which begins on 2000-01-01 at midnight UTC.
func in(t *testing.T, test func(t *testing.T, q *memory.Queue)) {
	synctest.Test(t, func(t *testing.T) {
		q := memory.New(memory.Config{Journal: true})
		defer func() {
			q.Close()
			require.NoError(t, q.Check())
		}()
		test(t, q)
	})
}

// TestAFleetFiresOnce: three nodes, each of them away now and then; each planned time is there
// once, also when clocks are set.
func TestAFleetFiresOnce(t *testing.T) {
	in(t, func(t *testing.T, q *memory.Queue) {
		plan := Plan{
			Name: "report", Cron: "30 2 * * *", Zone: "Europe/Berlin",
			Message: queue.Message{Body: []byte("go"), Priority: 3},
		}
		week := func(month time.Month, day int) []string {
			time.Sleep(time.Until(time.Date(2000, month, day, 12, 0, 0, 0, time.UTC)))
			nodes := []*node{start(t, q, plan), start(t, q, plan), start(t, q, plan)}
			for i := range 7 {
				time.Sleep(24 * time.Hour)
				end(t, nodes[i%3])
				nodes[i%3] = start(t, q, plan)
			}
			end(t, nodes...)
			return planned(t, q)
		}
		require.Equal(t, []string{
			"2000-03-24T02:30:00+01:00", "2000-03-25T02:30:00+01:00", "2000-03-26T03:30:00+02:00",
			"2000-03-27T02:30:00+02:00",
			"2000-03-28T02:30:00+02:00", "2000-03-29T02:30:00+02:00", "2000-03-30T02:30:00+02:00",
		}, week(time.March, 23))
		require.Equal(t, []string{
			"2000-10-27T02:30:00+02:00", "2000-10-28T02:30:00+02:00", "2000-10-29T02:30:00+02:00",
			"2000-10-30T02:30:00+01:00",
			"2000-10-31T02:30:00+01:00", "2000-11-01T02:30:00+01:00", "2000-11-02T02:30:00+01:00",
		}, week(time.October, 26))
	})
}

// TestAFiringIsAMessage: with the plan's message, an id with the plan and the time, and the planned
// time.
func TestAFiringIsAMessage(t *testing.T) {
	in(t, func(t *testing.T, q *memory.Queue) {
		sent := queue.Message{
			Body: []byte("go"), Priority: 3, Headers: map[string]string{"k": "v"},
			ContentType: "text/plain",
		}
		n := start(t, q, Plan{Name: "report", Cron: "@hourly", Message: sent})
		s, err := q.Open(t.Context(), queue.Options{Prefetch: 1})
		require.NoError(t, err)
		d, err := s.Receive(t.Context())
		require.NoError(t, err)
		require.Equal(t, "report@2000-01-01T01:00:00Z", d.ID)
		require.Equal(t, map[string]string{"k": "v", HeaderPlanned: "2000-01-01T01:00:00Z"}, d.Headers)
		require.Equal(t, sent.Body, d.Body)
		require.Equal(t, sent.Priority, d.Priority)
		require.Equal(t, sent.ContentType, d.ContentType)
		require.True(t, d.Time.Equal(time.Date(2000, 1, 1, 1, 0, 0, 0, time.UTC)))
		require.Empty(t, end(t, n))
	})
}

// TestABlockedBrokerIsTriedAgain until it takes the firing, late, and the log reports it.
func TestABlockedBrokerIsTriedAgain(t *testing.T) {
	in(t, func(t *testing.T, q *memory.Queue) {
		p := &flaky{Queue: q}
		n := start(t, p, Plan{Name: "report", Cron: "@hourly"})
		time.Sleep(30 * time.Minute)
		p.fail(errDown)
		time.Sleep(30*time.Minute + 90*time.Second)
		require.Empty(t, planned(t, q))
		p.fail(nil)
		time.Sleep(15 * time.Second)
		require.Equal(t, []string{"2000-01-01T01:00:00Z"}, planned(t, q))
		log := end(t, n)
		require.Contains(t, log, "not published yet")
		require.Contains(t, log, "published late")
	})
}

// TestALongOutage: what can't be published within the window is given up with an error, for then it
// could come twice, and the next one comes.
func TestALongOutage(t *testing.T) {
	for missed, want := range map[Missed][]string{
		Skip:   {"2000-01-01T04:00:00Z"},
		Latest: {"2000-01-01T04:00:00Z"},
	} {
		in(t, func(t *testing.T, q *memory.Queue) {
			p := &flaky{Queue: q}
			p.fail(errDown)
			n := start(t, p, Plan{Name: "report", Cron: "@hourly", Missed: missed})
			time.Sleep(3*time.Hour + 30*time.Minute)
			p.fail(nil)
			time.Sleep(time.Hour)
			require.Equal(t, want, planned(t, q))
			require.Contains(t, end(t, n), "given up")
		})
	}
}

// TestMissed: what was due while no node ran is left out, or the last of it is fired once, however
// many nodes start; and what was fired before is not fired again.
func TestMissed(t *testing.T) {
	for missed, want := range map[Missed][]string{Skip: nil, Latest: {"2000-01-01T01:00:30Z"}} {
		in(t, func(t *testing.T, q *memory.Queue) {
			plan := Plan{Name: "report", Cron: "*/10 * * * * *", Missed: missed}
			time.Sleep(time.Hour + 35*time.Second)
			for range 3 {
				nodes := []*node{start(t, q, plan), start(t, q, plan)}
				time.Sleep(time.Second)
				require.Empty(t, end(t, nodes...))
			}
			require.Equal(t, want, planned(t, q))
		})
	}
}

// TestSleptThrough: a node whose machine was suspended over several planned times reports it, and
// goes on.
func TestSleptThrough(t *testing.T) {
	for missed, want := range map[Missed]string{Skip: "2000-01-01T03:00:00Z", Latest: "2000-01-01T02:00:00Z"} {
		in(t, func(t *testing.T, q *memory.Queue) {
			log := &bytes.Buffer{}
			r := runner{
				window: 2 * time.Hour, log: slog.New(slog.NewTextHandler(log, nil)),
				timetable: table(t, "@hourly", ""),
			}
			r.Missed = missed
			now := time.Now()
			next := r.after(t.Context(), now.Add(-time.Hour), now.Add(2*time.Hour+time.Minute))
			require.Equal(t, want, next.Format(time.RFC3339))
			require.Contains(t, log.String(), "left out")
		})
	}
}

// TestAPublisherThatCanNot is refused at once, and not at the first firing.
func TestAPublisherThatCanNot(t *testing.T) {
	q := memory.New(memory.Config{Unique: -1})
	defer q.Close()
	for _, p := range []queue.Publisher{q, struct{ queue.Publisher }{q}} {
		err := Run(t.Context(), p, Config{Plans: []Plan{{Name: "a", Cron: "@yearly"}}})
		require.ErrorIs(t, err, queue.ErrUnsupported)
		require.ErrorContains(t, err, "right would be")
	}
}

// TestAPlanThatCanNotGoOn ends all of them.
func TestAPlanThatCanNotGoOn(t *testing.T) {
	in(t, func(t *testing.T, q *memory.Queue) {
		p := &flaky{Queue: q}
		n := start(t, p, Plan{Name: "rare", Cron: "@yearly"}, Plan{Name: "often", Cron: "@hourly"})
		p.fail(queue.ErrUnsupported)
		err := <-n.done
		require.ErrorIs(t, err, queue.ErrUnsupported)
		require.ErrorContains(t, err, `"often"`)
		n.stop()
	})
}

// flaky is a queue that can't be reached now and then.
type flaky struct {
	*memory.Queue
	mu  sync.Mutex
	err error
}

// fail has every Publish fail from now on; not, if err is nil.
func (f *flaky) fail(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.err = err
}

func (f *flaky) Publish(ctx context.Context, msgs ...queue.Message) error {
	f.mu.Lock()
	err := f.err
	f.mu.Unlock()
	if err != nil {
		return &queue.PublishError{Failed: []queue.PublishFailure{{ID: msgs[0].ID, Err: err}}}
	}
	return f.Queue.Publish(ctx, msgs...)
}

// errDown is an error that passes.
var errDown = context.DeadlineExceeded
