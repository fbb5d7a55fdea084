package schedule

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/memory"
)

// site is a queue and a store in the bubble of a test, with nodes that follow the store.
type site struct {
	t      *testing.T
	q      *memory.Queue
	broker *memory.Broker // of the operator
	plans  *Plans         // likewise
	nodes  *memory.Broker // the connection of the nodes
}

// stored runs a test with a site.
func stored(t *testing.T, test func(t *testing.T, s *site)) {
	t.Helper()
	in(t, func(t *testing.T, q *memory.Queue) {
		broker := memory.NewBroker()
		test(t, &site{t: t, q: q, broker: broker, plans: open(t, broker), nodes: broker.Connect()})
	})
}

// open opens the set of plans of the tests.
func open(t *testing.T, broker *memory.Broker) *Plans {
	t.Helper()
	store, err := broker.Store(t.Context(), "plans")
	require.NoError(t, err)
	plans, err := OpenPlans(store, "test")
	require.NoError(t, err)
	return plans
}

// start starts a node that follows the store, and runs own plans.
func (s *site) start(own ...Plan) *node { return s.startOn(s.q, own...) }

func (s *site) startOn(p queue.Publisher, own ...Plan) *node {
	s.t.Helper()
	ctx, cancel := context.WithCancel(s.t.Context())
	n := &node{stop: cancel, done: make(chan error, 1), log: &bytes.Buffer{}}
	cfg := Config{Plans: own, Stored: open(s.t, s.nodes), Logger: slog.New(slog.NewTextHandler(n.log, nil))}
	go func() { n.done <- Run(ctx, p, cfg) }()
	return n
}

// put puts a plan.
func (s *site) put(p Plan) {
	s.t.Helper()
	require.NoError(s.t, s.plans.Put(s.t.Context(), p))
}

// wait waits until a time of the day.
func (s *site) wait(clock string) {
	s.t.Helper()
	at, err := time.Parse(time.RFC3339, "2000-01-01T"+clock+"Z")
	require.NoError(s.t, err)
	time.Sleep(time.Until(at))
}

// fired takes everything out of the queue, and returns the times of the day.
func (s *site) fired() string {
	s.t.Helper()
	var times []string
	for _, at := range planned(s.t, s.q) {
		times = append(times, at[11:16])
	}
	return strings.Join(times, " ")
}

// Plans are added, changed, paused, resumed and removed while three nodes run, and every planned
// time is fired once.
func TestPlans(t *testing.T) {
	stored(t, func(t *testing.T, s *site) {
		nodes := []*node{s.start(), s.start(), s.start()}
		hourly := Plan{Name: "report/é", Cron: "@hourly", Message: queue.Message{
			Body: []byte{0, 0xff}, Headers: map[string]string{"raw": "\xff"}, Priority: 2,
			Properties: &queue.Properties{Type: "t"},
		}}
		s.wait("00:30:00")
		s.put(hourly)
		s.put(hourly)
		s.wait("02:30:00")
		require.Equal(t, "01:00 02:00", s.fired())
		hourly.Cron = "*/20 * * * *"
		s.put(hourly)
		s.wait("03:10:00")
		require.Equal(t, "02:40 03:00", s.fired())
		all, err := s.plans.List(t.Context())
		require.NoError(t, err)
		at := func(clock string) time.Time {
			at, err := time.Parse(time.RFC3339, "2000-01-01T"+clock+"Z")
			require.NoError(t, err)
			return at
		}
		require.Equal(t, []StoredPlan{{
			Plan: hourly, Changed: at("02:30:00"), Last: at("03:00:00"), Next: at("03:20:00"),
		}}, all)

		require.NoError(t, s.plans.Pause(t.Context(), hourly.Name))
		require.NoError(t, s.plans.Pause(t.Context(), hourly.Name))
		s.wait("04:10:00")
		s.put(hourly)
		s.wait("04:30:00")
		require.Empty(t, s.fired(), "a plan that is put again stays paused")
		all, err = s.plans.List(t.Context())
		require.NoError(t, err)
		require.True(t, all[0].Paused)
		require.Zero(t, all[0].Next)
		require.NoError(t, s.plans.Resume(t.Context(), hourly.Name))
		s.wait("05:10:00")
		require.Equal(t, "04:40 05:00", s.fired())
		require.NoError(t, s.plans.Remove(t.Context(), hourly.Name))
		s.wait("06:10:00")
		require.Empty(t, s.fired())
		for _, f := range []func(context.Context, string) error{s.plans.Remove, s.plans.Pause, s.plans.Resume} {
			require.ErrorIs(t, f(t.Context(), hourly.Name), queue.ErrNoRecord)
		}
		count, err := s.plans.store.Count(t.Context(), "")
		require.NoError(t, err)
		require.Zero(t, count, "nothing is left")
		require.Empty(t, end(t, nodes...))
	})
}

// A missed time is fired once, however long ago it was, by all nodes that start; and none that was
// fired is fired again, however long the broker has forgotten it.
func TestPlans_Missed(t *testing.T) {
	for missed, want := range map[Missed]string{Skip: "", Latest: "03:00"} {
		stored(t, func(t *testing.T, s *site) {
			s.put(Plan{Name: "report", Cron: "@hourly", Missed: missed})
			s.wait("00:30:00")
			nodes := []*node{s.start(), s.start()}
			s.wait("01:30:00")
			require.Equal(t, "01:00", s.fired())
			require.Empty(t, end(t, nodes...))
			s.wait("01:40:00")
			nodes = []*node{s.start(), s.start()}
			s.wait("01:50:00")
			require.Empty(t, s.fired(), "it was fired")
			require.Empty(t, end(t, nodes...))
			s.wait("03:30:00")
			for range 3 {
				nodes = []*node{s.start(), s.start()}
				time.Sleep(5 * time.Minute)
				require.Empty(t, end(t, nodes...))
			}
			require.Equal(t, want, s.fired())
		})
	}
}

// A plan that is added while no node runs counts, and so does a change: times before it are not
// those of the plan.
func TestPlans_ChangedWhileDown(t *testing.T) {
	stored(t, func(t *testing.T, s *site) {
		s.wait("00:30:00")
		s.put(Plan{Name: "report", Cron: "@hourly", Missed: Latest})
		s.wait("03:30:00")
		s.put(Plan{Name: "report", Cron: "15 * * * *", Missed: Latest})
		s.wait("04:10:00")
		n := s.start()
		s.wait("04:30:00")
		require.Equal(t, "04:15", s.fired(), "03:15 was before the change")
		require.Empty(t, end(t, n))
		s.put(Plan{Name: "report", Cron: "35 * * * *", Missed: Latest})
		s.wait("06:00:00")
		n = s.start()
		s.wait("06:10:00")
		require.Equal(t, "05:35", s.fired())
		require.Empty(t, end(t, n))
	})
}

// While the store is away, the plans that are known go on, and their firings are noted later. What
// has changed meanwhile counts as soon as the store is back.
func TestPlans_StoreAway(t *testing.T) {
	stored(t, func(t *testing.T, s *site) {
		s.put(Plan{Name: "report", Cron: "@hourly", Missed: Latest})
		nodes := []*node{s.start(), s.start()}
		s.wait("00:30:00")
		s.nodes.Cut()
		s.put(Plan{Name: "another", Cron: "45 * * * *"})
		require.NoError(t, s.plans.Pause(t.Context(), "report"))
		s.wait("02:30:00")
		require.Equal(t, "01:00 02:00", s.fired())
		s.nodes.Restore()
		s.wait("03:50:00")
		require.Equal(t, "02:45 03:45", s.fired())
		all, err := s.plans.List(t.Context())
		require.NoError(t, err)
		require.Len(t, all, 2)
		require.Equal(t, 2, all[1].Last.Hour())
		end(t, nodes...)
	})
}

// A node that dies before it has noted a firing leaves that to the others, also if they end at
// once.
func TestPlans_NotedByAnother(t *testing.T) {
	for _, stop := range []string{"01:00:01", "01:00:10"} {
		stored(t, func(t *testing.T, s *site) {
			s.put(Plan{Name: "report", Cron: "@hourly", Missed: Latest})
			own := s.nodes
			s.nodes = s.broker.Connect()
			first := s.start() // on a connection of its own
			dead := s.nodes
			s.nodes = own
			s.wait("00:30:00")
			dead.Cut()
			another := s.startOn(second{s.q})
			s.wait(stop)
			end(t, first, another)
			s.wait("01:30:00")
			third := s.start()
			s.wait("01:40:00")
			require.Equal(t, "01:00", s.fired())
			require.Empty(t, end(t, third))
		})
	}
}

// second is a queue that is never the first to have a firing.
type second struct{ *memory.Queue }

func (s second) PublishResults(ctx context.Context, msgs ...queue.Message) ([]queue.PublishResult, error) {
	time.Sleep(100 * time.Millisecond)
	return s.Queue.PublishResults(ctx, msgs...)
}

// A change that arrives a moment after a planned time, which is that of the new plan, costs
// nothing.
func TestPlans_LateChange(t *testing.T) {
	stored(t, func(t *testing.T, s *site) {
		s.put(Plan{Name: "report", Cron: "15 * * * *"})
		n := s.start()
		s.wait("00:59:59")
		s.nodes.Cut()
		s.put(Plan{Name: "report", Cron: "@hourly"})
		s.wait("01:00:02")
		s.nodes.Restore()
		s.wait("01:10:00")
		require.Equal(t, "00:15 01:00", s.fired())
		require.Empty(t, end(t, n))
	})
}

// A firing that is under way when its plan is changed still comes; when it is removed, it does not.
func TestPlans_UnderWay(t *testing.T) {
	stored(t, func(t *testing.T, s *site) {
		p := &away{flaky{Queue: s.q}}
		s.put(Plan{Name: "changed", Cron: "@hourly"})
		s.put(Plan{Name: "removed", Cron: "@hourly"})
		n := s.startOn(p)
		s.wait("00:30:00")
		p.fail(errDown)
		s.wait("01:00:20")
		s.put(Plan{Name: "changed", Cron: "30 * * * *"})
		require.NoError(t, s.plans.Remove(t.Context(), "removed"))
		s.wait("01:00:30")
		p.fail(nil)
		s.wait("01:40:00")
		require.Equal(t, "01:00 01:30", s.fired())
		end(t, n)
	})
}

// away is a flaky queue that reports duplicates.
type away struct{ flaky }

func (a *away) PublishResults(ctx context.Context, msgs ...queue.Message) ([]queue.PublishResult, error) {
	if err := a.flaky.Publish(ctx); err != nil {
		return make([]queue.PublishResult, len(msgs)), err
	}
	return a.Queue.PublishResults(ctx, msgs...)
}

// A plan of a newer program is kept and logged, and not run. A plan that the publisher refuses
// rests, and one that is the program's own, too. The others go on.
func TestPlans_NotRun(t *testing.T) {
	stored(t, func(t *testing.T, s *site) {
		ctx := t.Context()
		newer := []byte(`{"v":2,"name":"newer"}`)
		for key, value := range map[string][]byte{
			"newer": newer, "broken": []byte("{"), "missed": []byte(`{"v":1,"name":"missed","cron":"@hourly","missed":"all"}`),
			"zone": []byte(`{"v":1,"name":"zone","cron":"@hourly","missed":"skip","zone":"Mars/Olympus"}`),
			"key":  []byte(`{"v":1,"name":"another","cron":"@hourly","missed":"skip"}`),
		} {
			_, err := s.plans.store.Put(ctx, s.plans.planKey(key), value, queue.Absent, 0)
			require.NoError(t, err)
		}
		own := Plan{Name: "own", Cron: "15 * * * *"}
		s.put(Plan{Name: "own", Cron: "30 * * * *"})
		s.put(Plan{Name: "good", Cron: "@hourly"})
		s.put(Plan{Name: "refused", Cron: "45 * * * *"})
		n := s.startOn(refusing{s.q}, own)
		s.wait("02:10:00")
		require.Equal(t, "00:15 01:00 01:15 02:00", s.fired())
		all, err := s.plans.List(ctx)
		require.NoError(t, err)
		require.Len(t, all, 8)
		for _, one := range all {
			switch one.Name {
			case "own", "good", "refused":
				require.NoError(t, one.Err)
			case "zone":
				require.ErrorIs(t, one.Err, queue.ErrConfig)
			default:
				require.ErrorIs(t, one.Err, queue.ErrUnknown, one.Name)
				require.ErrorIs(t, s.plans.Put(ctx, Plan{Name: "newer", Cron: "@daily"}), queue.ErrUnknown)
			}
		}
		record, err := s.plans.store.Get(ctx, s.plans.planKey("newer"))
		require.NoError(t, err)
		require.Equal(t, newer, record.Value)
		require.NoError(t, s.plans.Remove(ctx, "newer"))
		s.put(Plan{Name: "newer", Cron: "20 * * * *"})
		s.wait("02:30:00")
		require.Equal(t, "02:15 02:20", s.fired())
		log := end(t, n)
		require.Equal(t, 5, strings.Count(log, "can't be run by this program"))
		require.Equal(t, 1, strings.Count(log, "has a plan of that name"))
		require.Equal(t, 1, strings.Count(log, "rests until it is changed"))
	})
}

// refusing is a queue that refuses the plan "refused".
type refusing struct{ *memory.Queue }

func (r refusing) PublishResults(ctx context.Context, msgs ...queue.Message) ([]queue.PublishResult, error) {
	if strings.HasPrefix(msgs[0].ID, "refused") {
		return make([]queue.PublishResult, len(msgs)), queue.ErrUnsupported
	}
	return r.Queue.PublishResults(ctx, msgs...)
}

// A closed publisher ends Run, and a store that can't be used does not.
func TestPlans_Closed(t *testing.T) {
	stored(t, func(t *testing.T, s *site) {
		s.put(Plan{Name: "report", Cron: "@hourly"})
		n := s.start()
		s.wait("00:30:00")
		s.q.Close()
		require.ErrorIs(t, <-n.done, queue.ErrClosed)
		closed := open(t, s.broker)
		require.NoError(t, closed.store.Close())
		_, err := closed.List(t.Context())
		require.ErrorIs(t, err, queue.ErrClosed)
		require.ErrorIs(t, closed.Put(t.Context(), Plan{Name: "a", Cron: "@daily"}), queue.ErrClosed)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		s.broker.Cut()
		_, err = s.plans.List(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorIs(t, s.plans.Remove(t.Context(), "report"), queue.ErrUnavailable)
	})
}

// Answers that are lost change nothing.
func TestPlans_Uncertain(t *testing.T) {
	stored(t, func(t *testing.T, s *site) {
		s.broker.LoseAnswers(1)
		s.put(Plan{Name: "report", Cron: "@hourly"})
		s.broker.LoseAnswers(1)
		require.NoError(t, s.plans.Pause(t.Context(), "report"))
		s.broker.LoseAnswers(2)
		require.NoError(t, s.plans.Remove(t.Context(), "report"))
		all, err := s.plans.List(t.Context())
		require.NoError(t, err)
		require.Empty(t, all)
	})
}

// What can't be a plan is refused before it is stored, with a text that says why.
func TestPlans_Refused(t *testing.T) {
	stored(t, func(t *testing.T, s *site) {
		for text, p := range map[string]Plan{
			"Plan.Name is":                {Cron: "@daily"},
			"in a key":                    {Name: strings.Repeat("é", 40), Cron: "@daily"},
			"Plan.Cron is":                {Name: "a", Cron: "@every 1m"},
			"Plan.Zone is":                {Name: "a", Cron: "@daily", Zone: "Mars/Olympus"},
			"Plan.Missed is":              {Name: "a", Cron: "@daily", Missed: 7},
			"Plan.Message is one with":    {Name: "a", Cron: "@daily", Message: queue.Message{ID: "x"}},
			"Plan.Message is 45":          {Name: "a", Cron: "@daily", Message: queue.Message{Body: make([]byte, 33<<10)}},
			"Plan.Message.Time":           {Name: "a", Cron: "@daily", Message: queue.Message{Time: time.Now()}},
			"Plan.Message.Headers is":     {Name: "a", Cron: "@daily", Message: queue.Message{Headers: map[string]string{"\xff": ""}}},
			"Plan.Message.ContentType is": {Name: "a", Cron: "@daily", Message: queue.Message{ContentType: "\xff"}},
			"Message.UniqueUntil is done": {Name: "a", Cron: "@daily", Message: queue.Message{UniqueUntil: queue.UntilDone}},
			"gentask-app-id is":           {Name: "a", Cron: "@daily", Message: queue.Message{Properties: &queue.Properties{AppID: "\xff"}}},
		} {
			err := s.plans.Put(t.Context(), p)
			require.ErrorIs(t, err, queue.ErrConfig)
			require.ErrorContains(t, err, text)
		}
		for _, name := range []string{"", "a.b", strings.Repeat("a", 51), "é"} {
			_, err := OpenPlans(s.plans.store, name)
			require.ErrorIs(t, err, queue.ErrConfig)
		}
		_, err := OpenPlans(nil, "a")
		require.ErrorIs(t, err, queue.ErrConfig)
		require.ErrorIs(t, Run(t.Context(), s.q, Config{}), queue.ErrConfig)
	})
}
