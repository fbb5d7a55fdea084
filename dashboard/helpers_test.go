package dashboard_test

import (
	"context"
	"html"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/dashboard"
	"github.com/gentask/gentask/fleet"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/memory"
	"github.com/gentask/gentask/schedule"
)

// world is a fleet of one node, its dashboard, and a browser's requests.
type world struct {
	*testing.T
	broker   *memory.Broker
	queue    *memory.Queue
	plans    *schedule.Plans
	consumer *gentask.Consumer
	node     *fleet.Node
	*dashboard.Dashboard
	cookie string

	mu      sync.Mutex
	actions []dashboard.Action
	running chan string // the IDs of jobs that have begun
}

// newWorld makes a world with a queue of that name. Its jobs run until they are cancelled.
func newWorld(t *testing.T, name string, change func(*dashboard.Config)) *world {
	t.Helper()
	w := &world{T: t, broker: memory.NewBroker(), queue: memory.New(memory.Config{Name: name}), running: make(chan string, 100)}
	t.Cleanup(w.queue.Close)
	store, err := w.broker.Store(t.Context(), "plans")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	w.plans, err = schedule.OpenPlans(store, "reports")
	require.NoError(t, err)
	w.join()
	cfg := dashboard.Config{
		Queues: []dashboard.Queue{w.queue}, Plans: []dashboard.Plans{{Name: "reports", Plans: w.plans}},
		Access: func(*http.Request) dashboard.Access { return dashboard.AccessOperate },
		Author: func(*http.Request) string { return "ana" },
		Audit: func(a dashboard.Action) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.actions = append(w.actions, a)
		},
	}
	if change != nil {
		change(&cfg)
	}
	w.Dashboard, err = dashboard.New(w.node, cfg)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, w.Dashboard.Close()) })
	return w
}

// join starts the consumer and its node.
func (w *world) join() {
	w.Helper()
	var err error
	w.consumer, err = gentask.New(w.queue, w.behavior(), gentask.Config{Concurrency: 2, Prefetch: 8, Timeout: time.Hour, DrainTimeout: time.Millisecond})
	require.NoError(w, err)
	w.node, err = fleet.Join(w.Context(), w.broker.Connect(), fleet.Config{
		Node: "node<1>", Version: "1.4.2", Wait: 10 * time.Millisecond,
	}, w.consumer)
	require.NoError(w, err)
	require.NoError(w, w.consumer.Start())
	w.Cleanup(func() {
		_, err := w.consumer.Stop(context.Background())
		require.NoError(w, err)
		require.NoError(w, w.node.Close())
	})
}

func (w *world) behavior() gentask.Behavior {
	return gentask.Handle(func(ctx context.Context, _ []byte) error {
		select {
		case w.running <- "":
		default:
		}
		<-ctx.Done()
		return context.Cause(ctx)
	})
}

// publish publishes messages with these IDs.
func (w *world) publish(ids ...string) {
	w.Helper()
	for _, id := range ids {
		require.NoError(w, w.queue.Publish(w.Context(), queue.Message{ID: id, Body: []byte("x")}))
	}
}

// bury makes dead letters of messages in a queue without a consumer.
func bury(t *testing.T, q *memory.Queue, reason, stack string, msgs ...queue.Message) {
	t.Helper()
	require.NoError(t, q.Publish(t.Context(), msgs...))
	s, err := q.Open(t.Context(), queue.Options{Prefetch: len(msgs)})
	require.NoError(t, err)
	defer func() { require.NoError(t, s.Close(context.Background())) }()
	for range msgs {
		d, err := s.Receive(t.Context())
		require.NoError(t, err)
		require.NoError(t, s.Settle(t.Context(), []queue.Settlement{{
			Delivery: d, Disposition: queue.DeadLetter, Reason: reason,
			Evidence: &queue.Evidence{Stack: stack, Log: "level=INFO msg=\"" + reason + "\""},
		}}))
	}
}

// request makes a request of the browser.
func (w *world) request(method, path, form string) *http.Request {
	r := httptest.NewRequest(method, path, strings.NewReader(form))
	if w.cookie != "" {
		r.AddCookie(&http.Cookie{Name: "gentask-dashboard", Value: w.cookie})
	}
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	return r
}

// response is what a browser gets.
type response struct {
	StatusCode int
	Header     http.Header
	body       string
	cookies    []*http.Cookie
}

func (w *world) do(r *http.Request) *response {
	w.Helper()
	rec := httptest.NewRecorder()
	w.ServeHTTP(rec, r)
	res := rec.Result()
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	require.NoError(w, err)
	for _, c := range res.Cookies() {
		w.cookie = c.Value
	}
	return &response{res.StatusCode, res.Header, string(body), res.Cookies()}
}

// get returns a page, which must be there.
func (w *world) get(path string) string {
	w.Helper()
	res := w.do(w.request(http.MethodGet, path, ""))
	require.Equal(w, http.StatusOK, res.StatusCode, "%s: %s", path, res.body)
	return res.body
}

// eventually returns a page as soon as it has a text. Nodes may need a moment to answer.
func (w *world) eventually(path, want string) string {
	w.Helper()
	page := ""
	require.Eventually(w, func() bool {
		page = w.get(path)
		return strings.Contains(page, want)
	}, 10*time.Second, 20*time.Millisecond, "%s: want %s", path, want)
	return page
}

// act posts a form as a page of the dashboard does, and returns the page that follows.
func (w *world) act(target url.Values, fields ...string) string {
	w.Helper()
	res := w.post(target, fields...)
	require.Equal(w, http.StatusSeeOther, res.StatusCode, res.body)
	return w.get("/" + strings.TrimPrefix(res.Header.Get("Location"), "./"))
}

// post posts a form with the token of the browser.
func (w *world) post(target url.Values, fields ...string) *response {
	w.Helper()
	if w.cookie == "" {
		w.get("/")
	}
	form := url.Values{"token": {w.cookie}}
	for i := 0; i+1 < len(fields); i += 2 {
		form.Set(fields[i], fields[i+1])
	}
	return w.do(w.request(http.MethodPost, "/action?"+target.Encode(), form.Encode()))
}

// last returns the last action that was audited.
func (w *world) last() dashboard.Action {
	w.mu.Lock()
	defer w.mu.Unlock()
	require.NotEmpty(w, w.actions)
	return w.actions[len(w.actions)-1]
}

// of returns parameters of a URL.
func of(pairs ...string) url.Values {
	v := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		v.Set(pairs[i], pairs[i+1])
	}
	return v
}

// links returns the targets of the links of a page that begin with a text.
func links(page, begin string) []string {
	var all []string
	for _, m := range regexp.MustCompile(`href="([^"]*)"`).FindAllStringSubmatch(page, -1) {
		if link := html.UnescapeString(m[1]); strings.HasPrefix(link, begin) {
			all = append(all, link)
		}
	}
	return all
}
