package dashboard

import (
	"bytes"
	"context"
	"errors"
	"iter"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/fleet"
	"github.com/gentask/gentask/queue"
)

// counted is a queue that counts how often it is asked. Each answer is another number.
type counted struct {
	asked atomic.Int64
	delay atomic.Int64 // of an answer
	last  atomic.Int64 // when it was asked last
	close atomic.Int64 // questions that came within a second of the one before
}

func (*counted) Name() string { return "emails" }

func (q *counted) Inspect(ctx context.Context) (queue.Stats, error) {
	now := time.Now().UnixNano()
	if last := q.last.Swap(now); last != 0 && now-last < int64(time.Second) {
		q.close.Add(1)
	}
	n := q.asked.Add(1)
	select {
	case <-time.After(time.Duration(q.delay.Load())):
	case <-ctx.Done():
		return queue.Stats{}, ctx.Err()
	}
	return queue.Stats{Ready: 1_000_000 + int(n)}, nil
}

func (*counted) Letters() *queue.Letters { return queue.NewLetters(nil) }

// fake is a fleet of one node.
type fake struct{ asked, following atomic.Int64 }

func (f *fake) Nodes(context.Context) ([]fleet.NodeStatus, error) {
	n := f.asked.Add(1)
	return []fleet.NodeStatus{{Node: "one", Consumers: []fleet.ConsumerStatus{{
		Queue: "emails", State: "consuming", Healthy: true, Alive: true, Recent: fleet.Counts{Done: uint64(10 * n)}, //nolint:gosec // small
	}}}}, nil
}

func (*fake) Commands(context.Context) ([]*fleet.Command, error) { return nil, nil }

func (*fake) Tasks(context.Context, string, string) ([]fleet.TaskStatus, error) { return nil, nil }

func (*fake) Tree(context.Context, string) ([]fleet.TreeStatus, error) {
	root := &fleet.TreeNode{ID: "worker-<7>", State: "Running", NotAnswering: true, Reason: "it <burned>"}
	for range 20 {
		root = &fleet.TreeNode{ID: "root", State: "Running", Children: []*fleet.TreeNode{root}}
	}
	return []fleet.TreeStatus{{Name: "main", Root: root}}, nil
}

func (f *fake) Events(ctx context.Context, filter fleet.EventFilter) iter.Seq2[fleet.EventRecord, error] {
	return func(yield func(fleet.EventRecord, error) bool) {
		f.following.Add(1)
		defer f.following.Add(-1)
		for n := 1; ; n++ {
			every := time.Second
			if n == 11 { // the broker is away
				if every = 5 * time.Second; !yield(fleet.EventRecord{}, queue.ErrUnavailable) {
					return
				}
			}
			select {
			case <-time.After(every):
			case <-ctx.Done():
				return
			}
			r := fleet.EventRecord{Node: "one", Queue: "emails", Kind: "done", ID: strconv.Itoa(n), Attempt: len(filter.Kinds)}
			if !yield(r, nil) {
				return
			}
		}
	}
}

func board(q *counted, f *fake) *Dashboard {
	return newDashboard(nil, f, Config{
		Queues: []Queue{q}, Access: func(*http.Request) Access { return AccessRead },
	}.orDefaults())
}

// viewer is a browser with a stream.
type viewer struct {
	header http.Header
	ctx    context.Context
	leave  context.CancelFunc
	mu     sync.Mutex
	got    bytes.Buffer
	block  chan struct{} // a write waits for it, if it is not nil
	ended  chan struct{}
}

func (v *viewer) Header() http.Header { return v.header }
func (v *viewer) WriteHeader(int)     {}
func (v *viewer) FlushError() error   { return nil }

func (v *viewer) Write(b []byte) (int, error) {
	if v.block != nil {
		select {
		case <-v.block:
		case <-v.ctx.Done():
			return 0, errors.New("gone")
		}
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.got.Write(b)
}

// take returns what has come, and forgets it.
func (v *viewer) take() string {
	v.mu.Lock()
	defer v.mu.Unlock()
	defer v.got.Reset()
	return v.got.String()
}

func open(t *testing.T, d *Dashboard, page string, block chan struct{}) *viewer {
	t.Helper()
	v := &viewer{header: http.Header{}, block: block, ended: make(chan struct{})}
	v.ctx, v.leave = context.WithCancel(t.Context())
	r := httptest.NewRequest(http.MethodGet, "/stream?page="+page+"&queue=emails", nil).WithContext(v.ctx)
	go func() {
		defer close(v.ended)
		d.ServeHTTP(v, r)
	}()
	return v
}

// TestStream_OneSamplerForAll: however many look, the broker and the nodes are asked once a second,
// never more often, and not at all when no one has looked for ten seconds.
func TestStream_OneSamplerForAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, f := &counted{}, &fake{}
		d := board(q, f)
		defer d.Close()
		time.Sleep(time.Minute)
		require.Zero(t, q.asked.Load(), "no one has looked")
		var all []*viewer
		for range 3 {
			all = append(all, open(t, d, "", nil), open(t, d, "queue", nil))
		}
		time.Sleep(20*time.Second + time.Second/2)
		require.EqualValues(t, 21, q.asked.Load())
		require.EqualValues(t, 21, f.asked.Load())
		for _, v := range all {
			got := v.take()
			require.Contains(t, got, "1,000,021")
			require.GreaterOrEqual(t, strings.Count(got, "event: figures"), 19)
			v.leave()
			<-v.ended
		}
		time.Sleep(time.Minute)
		require.LessOrEqual(t, q.asked.Load(), int64(21+11), "it rests")
		asked := q.asked.Load()
		time.Sleep(time.Hour)
		require.Equal(t, asked, q.asked.Load())
		v := open(t, d, "", nil)
		time.Sleep(5 * time.Second)
		require.Greater(t, q.asked.Load(), asked, "it wakes up")
		require.Zero(t, q.close.Load(), "never within a second")
		v.leave()
		<-v.ended
	})
}

// TestStream_SendsWhatHasChanged, and nothing else.
func TestStream_SendsWhatHasChanged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := board(&counted{}, &fake{})
		defer d.Close()
		v := open(t, d, "", nil)
		defer v.leave()
		time.Sleep(5500 * time.Millisecond)
		got := v.take()
		require.GreaterOrEqual(t, strings.Count(got, "event: figures"), 5)
		require.Equal(t, 1, strings.Count(got, "event: alarms"))
		require.Contains(t, got, "retry: 1000")
		require.Equal(t, "text/event-stream", v.header.Get("Content-Type"))
		for line := range strings.Lines(got) {
			require.Regexp(t, "^(event: [a-z]+|data: .*|retry: 1000|)\n$", line)
		}
	})
}

// TestStream_SlowViewer holds up neither the sampler nor others, and gets the latest state next.
func TestStream_SlowViewer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := &counted{}
		d := board(q, &fake{})
		defer d.Close()
		block := make(chan struct{})
		slow, quick := open(t, d, "", block), open(t, d, "", nil)
		defer slow.leave()
		defer quick.leave()
		time.Sleep(20500 * time.Millisecond)
		require.EqualValues(t, 21, q.asked.Load())
		require.Contains(t, quick.take(), "1,000,021")
		close(block)
		synctest.Wait()
		got := slow.take()
		require.Contains(t, got, "1,000,021")
		require.LessOrEqual(t, strings.Count(got, "event: figures"), 2, "what was between is lost")
	})
}

// TestStream_Ends when the dashboard is closed, when the viewer leaves, and after five minutes, so
// that access is asked for again.
func TestStream_Ends(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := board(&counted{}, &fake{})
		gone, old := open(t, d, "", nil), open(t, d, "jobs", nil)
		time.Sleep(time.Second)
		gone.leave()
		<-gone.ended
		began := time.Now()
		<-old.ended
		require.InDelta(t, 5*time.Minute, time.Since(began), float64(2*time.Second))
		last := open(t, d, "commands", nil)
		time.Sleep(time.Second)
		require.NoError(t, d.Close())
		require.NoError(t, d.Close())
		<-last.ended
	})
}

// TestStream_Limit: the 257th stream is refused.
func TestStream_Limit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := board(&counted{}, &fake{})
		defer d.Close()
		for range mostStreams {
			open(t, d, "jobs", nil)
		}
		synctest.Wait()
		rec := httptest.NewRecorder()
		d.ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/stream?page=", nil))
		require.Equal(t, http.StatusServiceUnavailable, rec.Code)
	})
}

// TestSampler_SlowBroker: a page waits for a tenth of a second at most, one question is asked at a
// time, and its answer is shown when it comes.
func TestSampler_SlowBroker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := &counted{}
		q.delay.Store(int64(3 * time.Second))
		d := board(q, &fake{})
		defer d.Close()
		page := func() string {
			rec := httptest.NewRecorder()
			d.ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/", nil))
			return rec.Body.String()
		}
		began := time.Now()
		require.NotContains(t, page(), "1,000,0")
		require.LessOrEqual(t, time.Since(began), 100*time.Millisecond)
		time.Sleep(2 * time.Second)
		require.EqualValues(t, 1, q.asked.Load())
		time.Sleep(3 * time.Second)
		require.Contains(t, page(), "1,000,001")
		q.delay.Store(int64(time.Hour))
		time.Sleep(8 * time.Second)
		require.Contains(t, page(), "takes too long")
	})
}

// TestSampler_ForgetsNodesThatLeave after a few seconds, in which they are shown as silent.
func TestSampler_ForgetsNodesThatLeave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &leaving{}
		d := newDashboard(nil, f, Config{Access: func(*http.Request) Access { return AccessRead }}.orDefaults())
		defer d.Close()
		state := func() string {
			s := d.sampler.look(t.Context())
			o, _ := overviewModel(d, &view{Fleet: true, sample: s, page: pageNamed("")}).(*overview)
			if len(o.Nodes) == 0 {
				return "gone"
			}
			return o.Nodes[0].State.Text
		}
		var seen []string
		for range 12 {
			if now := state(); len(seen) == 0 || seen[len(seen)-1] != now {
				seen = append(seen, now)
			}
			time.Sleep(time.Second)
		}
		require.Equal(t, []string{"healthy", "no answer", "gone"}, seen)
	})
}

// leaving is a fleet whose node answers once.
type leaving struct{ fake }

func (f *leaving) Nodes(ctx context.Context) ([]fleet.NodeStatus, error) {
	if f.asked.Load() > 0 {
		return nil, nil
	}
	return f.fake.Nodes(ctx)
}

// away is a fleet whose broker is away.
type away struct{ fake }

func (*away) Nodes(context.Context) ([]fleet.NodeStatus, error) { return nil, queue.ErrUnavailable }

// TestPages_OfAFleetThatIsAway show why, and what to do, in place of the nodes.
func TestPages_OfAFleetThatIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDashboard(nil, &away{}, Config{Access: func(*http.Request) Access { return AccessRead }}.orDefaults())
		defer d.Close()
		for _, path := range []string{"/", "/jobs", "/node?node=one", "/job?job=x", "/queue?queue=emails"} {
			rec := httptest.NewRecorder()
			d.ServeHTTP(rec, httptest.NewRequest(http.MethodGet, path, nil))
			require.Equal(t, http.StatusOK, rec.Code, path)
			require.Contains(t, rec.Body.String(), "The broker is away", path)
		}
	})
}

// TestEvents_AreFollowedOnce, however many look, and not while no one does. An outage of the broker
// is shown until the next event.
func TestEvents_AreFollowedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{}
		d := board(&counted{}, f)
		defer d.Close()
		var all []*viewer
		for range 5 {
			all = append(all, open(t, d, "events", nil))
		}
		other := open(t, d, "", nil)
		time.Sleep(12500 * time.Millisecond)
		require.EqualValues(t, 1, f.following.Load())
		got := all[4].take()
		require.Contains(t, got, "The broker does not answer")
		time.Sleep(5 * time.Second)
		got = all[4].take()
		require.NotContains(t, got[strings.LastIndex(got, "event: events"):], "The broker does not answer")
		for _, v := range all {
			v.leave()
			<-v.ended
		}
		queues := open(t, d, "queue", nil)
		time.Sleep(15 * time.Second)
		require.EqualValues(t, 1, f.following.Load(), "for the latency")
		queues.leave()
		<-queues.ended
		time.Sleep(15 * time.Second)
		require.Zero(t, f.following.Load(), "the other page has no events")
		last := open(t, d, "events", nil)
		time.Sleep(5 * time.Second)
		require.EqualValues(t, 1, f.following.Load())
		for _, v := range []*viewer{other, last} {
			v.leave()
			<-v.ended
		}
		time.Sleep(time.Minute)
		require.Zero(t, f.following.Load(), "the sampler rests")
	})
}

// TestFeed_IsBounded.
func TestFeed_IsBounded(t *testing.T) {
	f := &eventFeed{}
	for i := range 5000 {
		f.take(fleet.EventRecord{Attempt: i}, nil)
		require.LessOrEqual(t, len(f.ring), 2*mostEvents)
	}
	all, err := f.last(3, func(r *fleet.EventRecord) bool { return r.Attempt%2 == 0 })
	require.NoError(t, err)
	require.Equal(t, []int{4998, 4996, 4994}, []int{all[0].Attempt, all[1].Attempt, all[2].Attempt})
}

// TestNode_ShowsItsTrees when they are asked for.
func TestNode_ShowsItsTrees(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := board(&counted{}, &fake{})
		defer d.Close()
		page := func(query string) string {
			rec := httptest.NewRecorder()
			d.ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/node?node=one"+query, nil))
			return rec.Body.String()
		}
		require.NotContains(t, page(""), "worker-<7>")
		got := page("&trees=yes")
		require.Contains(t, got, "worker-&lt;7&gt;")
		require.Contains(t, got, `class="d8"`)
		require.Contains(t, got, "no answer")
		require.Contains(t, got, "it &lt;burned&gt;")
	})
}

// TestPages_HaveTheirFragments: each part of a page that follows the stream is one that the stream
// sends, and the other way round.
func TestPages_HaveTheirFragments(t *testing.T) {
	d := board(&counted{}, &fake{})
	defer d.Close()
	for _, p := range allPages() {
		page := d.pages[p.name].Lookup("main").Tree.Root.String()
		assert.Equal(t, len(p.live), strings.Count(page, "sse-swap="), p.name)
		for _, name := range p.live {
			assert.Contains(t, page, `sse-swap="`+name+`"`, p.name)
			assert.NotNil(t, d.pages[p.name].Lookup("live."+name), p.name)
		}
	}
}

// TestBoard_SizeOfTheFirstLoad: everything that a first look transfers is at most 60 KB.
func TestBoard_SizeOfTheFirstLoad(t *testing.T) {
	d := board(&counted{}, &fake{})
	defer d.Close()
	rec := httptest.NewRecorder()
	d.ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/", nil))
	sum := rec.Body.Len()
	for name := range d.assets.byName {
		r := httptest.NewRequest(http.MethodGet, "/assets/"+name, nil)
		r.Header.Set("Accept-Encoding", "br;q=1.0, gzip;q=0.8")
		rec := httptest.NewRecorder()
		d.ServeHTTP(rec, r)
		require.Equal(t, "gzip", rec.Header().Get("Content-Encoding"))
		sum += rec.Body.Len()
	}
	require.Less(t, sum, 60_000)
}
