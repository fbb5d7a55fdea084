package dashboard_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/dashboard"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/memory"
	"github.com/gentask/gentask/schedule"
)

// TestActions_Queue: each button does what it says at the consumer, and the page that follows shows
// what the nodes have made of it.
func TestActions_Queue(t *testing.T) {
	w := newWorld(t, "emails", nil)
	health := func() gentask.Health { return w.consumer.Health() }
	on := of("queue", "emails")
	for _, c := range []struct {
		do, value string
		done      func() bool
	}{
		{"pause", "", func() bool { return health().Overrides.Paused.Value && health().Overrides.Paused.By == "ana" }},
		{"resume", "", func() bool { return !health().Overrides.Paused.Value }},
		{"concurrency", "5", func() bool { return health().Concurrency == 5 }},
		{"concurrency-own", "", func() bool { return health().Concurrency == 2 }},
		{"rate", "2.5", func() bool { return health().Rate.PerSecond == 2.5 }},
		{"rate-none", "", func() bool { return health().Overrides.Rate.Value != nil && health().Rate.PerSecond == 0 }},
		{"rate-own", "", func() bool { return health().Overrides.Rate.Value == nil }},
		{"breaker-open", "", func() bool { return health().Overrides.BreakerOpen.Value }},
		{"breaker-reset", "", func() bool { return health().Overrides.BreakerOpen.Value }},
		{"breaker-release", "", func() bool { return !health().Overrides.BreakerOpen.Value }},
	} {
		page := w.act(on, "do", c.do, "value", c.value, "reason", "because <i>")
		require.Contains(t, page, "1 consumer follows", c.do)
		require.True(t, c.done(), c.do)
		a := w.last()
		require.NoError(t, a.Err, c.do)
		require.Equal(t, "ana", a.Author, c.do)
		require.Equal(t, "emails", a.Queue, c.do)
		require.Equal(t, "because <i>", a.Reason, c.do)
		require.Equal(t, "1 consumer follows", a.Result, c.do)
	}
}

// TestActions_ThatAreWrong change nothing, and the page that follows has the reason.
func TestActions_ThatAreWrong(t *testing.T) {
	w := newWorld(t, "emails", nil)
	for _, c := range []struct{ do, value, want string }{
		{"concurrency", "", "want a whole number"},
		{"concurrency", "-1", "want a whole number"},
		{"concurrency", "1e9", "want a whole number"},
		{"rate", "NaN", "want a number above 0"},
		{"rate", "0", "want a number above 0"},
		{"drain", "", "not ticked"},
		{"stop", "", "nothing runs"},
		{"redrive-one", "", "not there any longer"},
		{"pause-plan", "", "no set of plans"},
	} {
		page := w.act(of("queue", "emails", "node", "node<1>"), "do", c.do, "value", c.value)
		require.Contains(t, page, c.want, c.do)
		require.Error(t, w.last().Err, c.do)
	}
	require.Empty(t, w.consumer.Health().Overrides.Kinds())
	page := w.act(of("queue", "emails"), "do", "concurrency", "value", "99")
	require.Contains(t, page, "1 consumer refuses")
	require.Contains(t, page, "Config.Prefetch")
	require.Equal(t, http.StatusBadRequest, w.post(of("queue", "emails"), "do", "nothing").StatusCode)
}

// TestActions_Job: a running job is cancelled from the list of running ones.
func TestActions_Job(t *testing.T) {
	w := newWorld(t, "emails", nil)
	w.publish("4711")
	<-w.running
	w.eventually("/jobs", "4711")
	require.Contains(t, w.get("/job?queue=emails&job=4711"), "Cancel the job")
	page := w.act(of("queue", "emails", "job", "4711"), "do", "cancel", "reason", "by mistake")
	require.Contains(t, page, "1 job was cancelled")
	require.Equal(t, "4711", w.last().Job)
	require.Contains(t, w.eventually("/commands", "4711"), "Take back")
	w.act(of("queue", "emails", "job", "4711", "from", "commands"), "do", "uncancel")
	require.Eventually(t, func() bool { return len(w.consumer.Health().Overrides.Cancelled) == 0 }, 10*time.Second, time.Millisecond)
}

// TestActions_Drain ends the consumers of the node.
func TestActions_Drain(t *testing.T) {
	w := newWorld(t, "emails", nil)
	page := w.act(of("node", "node<1>"), "do", "drain", "sure", "yes")
	require.Contains(t, page, "1 consumer follows")
	require.Eventually(t, func() bool { return w.consumer.Health().State == gentask.Stopped }, 10*time.Second, time.Millisecond)
	require.Contains(t, w.act(of("node", "none"), "do", "drain", "sure", "yes"), "no node with this id")
}

// TestActions_Plans pauses and resumes a plan.
func TestActions_Plans(t *testing.T) {
	w := newWorld(t, "emails", nil)
	require.NoError(t, w.plans.Put(t.Context(), schedule.Plan{Name: "daily", Cron: "@daily"}))
	require.Contains(t, w.eventually("/plans", "daily"), "Pause daily")
	w.act(of("set", "reports", "plan", "daily"), "do", "pause-plan")
	require.Equal(t, "reports/daily", w.last().Plan)
	paused := func() bool {
		all, err := w.plans.List(t.Context())
		require.NoError(t, err)
		return all[0].Paused
	}
	require.True(t, paused())
	w.act(of("set", "reports", "plan", "daily"), "do", "resume-plan")
	require.False(t, paused())
	require.Contains(t, w.act(of("set", "reports", "plan", "none"), "do", "pause-plan"), "was not done")
	ctx, stop := context.WithCancel(t.Context())
	ticks := memory.New(memory.Config{Name: "ticks"})
	defer ticks.Close()
	ended := make(chan error)
	go func() { ended <- schedule.Run(ctx, ticks, schedule.Config{Stored: w.plans}) }()
	w.act(of("set", "reports", "plan", "daily"), "do", "fire-plan")
	require.Eventually(t, func() bool { return ticks.Stats().Ready == 1 }, 10*time.Second, time.Millisecond)
	stop()
	require.NoError(t, <-ended)
}

// dead returns a world with a queue of dead letters, which no consumer takes from.
func dead(t *testing.T, change func(*dashboard.Config)) (*world, *memory.Queue) {
	t.Helper()
	q := memory.New(memory.Config{Name: "dead"})
	t.Cleanup(q.Close)
	bury(t, q, "boom", "", queue.Message{ID: "a", Body: []byte("secret")}, queue.Message{ID: "b"}, queue.Message{ID: "c"})
	bury(t, q, "bang", "", queue.Message{ID: "d"})
	return newWorld(t, "emails", func(c *dashboard.Config) {
		c.Queues = append(c.Queues, q)
		if change != nil {
			change(c)
		}
	}), q
}

func ids(q *memory.Queue) string {
	var all []string
	for _, m := range q.DeadLetters() {
		all = append(all, m.ID)
	}
	return strings.Join(all, " ")
}

// TestActions_OneLetter is re-driven or removed, and no other.
func TestActions_OneLetter(t *testing.T) {
	w, q := dead(t, nil)
	at := func(i int) string {
		page := w.get("/" + links(w.get("/letters?queue=dead"), "letter?")[i])
		return links(strings.ReplaceAll(page, `action="`, `href="`), "action?")[0]
	}
	act := func(target, do string) string {
		_, query, _ := strings.Cut(target, "?")
		v := of("queue", "dead")
		for _, pair := range strings.Split(query, "&") {
			name, value, _ := strings.Cut(pair, "=")
			v.Set(name, value)
		}
		return w.act(v, "do", do)
	}
	b := at(1)
	require.Contains(t, act(b, "redrive-one"), "given back to the queue")
	require.Equal(t, "a c d", ids(q))
	require.Contains(t, act(b, "redrive-one"), "not there any longer")
	require.Contains(t, act(at(1), "purge-one"), "removed")
	require.Equal(t, "a d", ids(q))
}

// TestActions_ManyLetters: what a filter selects is re-driven or purged, in the background.
func TestActions_ManyLetters(t *testing.T) {
	w, q := dead(t, nil)
	require.Contains(t, w.get("/bulk?queue=dead&reason=boom"), "<b>3</b>")
	page := w.act(of("queue", "dead", "reason", "boom"), "do", "redrive", "limit", "2")
	require.Contains(t, page, "started")
	require.Contains(t, w.eventually("/letters?queue=dead", "has ended"), "2 given back")
	require.Equal(t, "c d", ids(q))
	require.Contains(t, w.act(of("queue", "dead"), "do", "purge"), "not ticked")
	w.act(of("queue", "dead", "reason", "bang"), "do", "purge", "sure", "yes", "rate", "1000")
	w.eventually("/letters?queue=dead", "1 removed")
	require.Equal(t, "c", ids(q))
	require.Equal(t, "ended: 1 letter removed", w.last().Result)
	require.Equal(t, "reason with bang", w.last().Value)
}

// TestActions_ManyLettersSlowly: the work is stopped by a button and by Close, one runs at a time,
// and a purge heeds its rate.
func TestActions_ManyLettersSlowly(t *testing.T) {
	w, q := dead(t, nil)
	for _, do := range []string{"purge", "redrive"} {
		before := len(q.DeadLetters())
		w.act(of("queue", "dead"), "do", do, "sure", "yes", "rate", "0.001")
		require.Eventually(t, func() bool { return len(q.DeadLetters()) == before-1 }, 10*time.Second, time.Millisecond)
		require.Contains(t, w.act(of("queue", "dead"), "do", "redrive"), "another re-drive or purge")
		require.Contains(t, w.get("/bulk?queue=dead"), "Another one runs")
		require.Contains(t, w.get("/letters?queue=dead"), `id="stop-bulk"`)
		w.act(of("queue", "dead"), "do", "stop")
		w.eventually("/letters?queue=dead", "was stopped")
		require.Len(t, q.DeadLetters(), before-1)
	}
	w.act(of("queue", "dead"), "do", "redrive", "rate", "0.001")
	require.NoError(t, w.Dashboard.Close())
	require.Equal(t, http.StatusServiceUnavailable, w.do(w.request(http.MethodGet, "/", "")).StatusCode)
}

// failing is a queue whose broker is away.
type failing struct{ *memory.Queue }

func (failing) Inspect(context.Context) (queue.Stats, error) {
	return queue.Stats{}, errors.Join(queue.ErrUnavailable, errors.New("dial <tcp>: refused"))
}

type noLetters struct{}

func (noLetters) OpenLetters(context.Context) (queue.LetterWalk, error) {
	return nil, queue.ErrUnavailable
}

func (failing) Letters() *queue.Letters { return queue.NewLetters(noLetters{}) }

// TestPages_OfABrokerThatIsAway have the reason in its place, and the other queues are shown.
func TestPages_OfABrokerThatIsAway(t *testing.T) {
	away := failing{memory.New(memory.Config{Name: "away"})}
	defer away.Close()
	w := newWorld(t, "emails", func(c *dashboard.Config) { c.Queues = append(c.Queues, away) })
	page := w.eventually("/", "away can&#39;t be counted")
	require.Contains(t, page, "dial &lt;tcp&gt;: refused")
	require.Contains(t, page, "The broker does not answer")
	require.Contains(t, page, "emails")
	for _, path := range []string{"/queue?queue=away", "/letters?queue=away", "/bulk?queue=away", "/letter?queue=away&key=x"} {
		require.Contains(t, w.get(path), "The broker does not answer", path)
	}
}
