package fleet_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/fleet"
	"github.com/gentask/gentask/queue"
)

// sight is a sequence of events, and what it has yielded.
type sight struct {
	stop func()
	mu   sync.Mutex
	all  []fleet.EventRecord
	errs []error
}

// watch begins a sequence. each is called in the loop's body.
func (w *world) watch(n *fleet.Node, f fleet.EventFilter, each func(fleet.EventRecord)) *sight {
	w.Helper()
	time.Sleep(time.Second) // sessions are open
	ctx, cancel := context.WithCancel(w.Context())
	s := &sight{}
	var wg sync.WaitGroup
	s.stop = func() { cancel(); wg.Wait() }
	w.Cleanup(s.stop)
	wg.Go(func() {
		for r, err := range n.Events(ctx, f) {
			s.mu.Lock()
			if err != nil {
				s.errs = append(s.errs, err)
			} else {
				s.all = append(s.all, r)
			}
			s.mu.Unlock()
			if each != nil {
				each(r)
			}
		}
	})
	time.Sleep(2 * time.Second)
	return s
}

// of returns the records of a kind so far.
func (s *sight) of(kind string) (all []fleet.EventRecord) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.all {
		if r.Kind == kind {
			all = append(all, r)
		}
	}
	return all
}

// failures returns the errors so far.
func (s *sight) failures() []error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.errs)
}

// missed returns how many records are missing, and how often.
func (s *sight) missed() (n uint64, times int) {
	for _, r := range s.of(fleet.KindMissed) {
		n += r.Missed
		times++
	}
	return n, times
}

// TestEvents_OfAllNodes: each event of each job is yielded once, in the order of its node.
func TestEvents_OfAllNodes(t *testing.T) {
	bubble(t, func(w *world) {
		w.fleet(3, gentask.Config{Concurrency: 2})
		s := w.watch(w.observer(), fleet.EventFilter{}, nil)
		for i := range 30 {
			w.publish(fmt.Sprint(i))
		}
		time.Sleep(20 * time.Second)
		s.stop()
		require.Empty(w, s.errs)
		require.Len(w, s.of(fleet.KindNodeJoined), 3)
		require.Empty(w, s.of(fleet.KindMissed))
		life := map[string][]string{}
		last := map[string]time.Time{}
		for _, r := range s.all {
			require.NotEmpty(w, r.Node)
			require.NotEmpty(w, r.Instance)
			if r.ID == "" {
				continue
			}
			require.Equal(w, "emails", r.Queue)
			require.False(w, r.Time.Before(last[r.Node]), "in order")
			last[r.Node] = r.Time
			life[r.ID] = append(life[r.ID], r.Kind)
			if r.Kind == "done" {
				require.Equal(w, "ack", r.Disposition)
				require.Equal(w, "ok", r.Outcome)
				require.Equal(w, time.Second, r.RunTime)
				require.Equal(w, 1, r.Attempt)
			}
		}
		require.Len(w, life, 30)
		for id, kinds := range life {
			require.Equal(w, []string{"received", "started", "done"}, kinds, id)
		}
		require.Len(w, last, 3)
	})
}

// TestEvents_OnlyWhileWatched: a node records while someone asks, and ten seconds more. The times
// of jobs are gathered meanwhile.
func TestEvents_OnlyWhileWatched(t *testing.T) {
	bubble(t, func(w *world) {
		w.fleet(1, gentask.Config{Concurrency: 100})
		cli := w.observer()
		latency := func() *fleet.Latency { return must(w, cli.Nodes, w.Context())[0].Consumers[0].Latency }
		require.Nil(w, latency())
		s := w.watch(cli, fleet.EventFilter{}, nil)
		for i := range 100 {
			w.publish(fmt.Sprint(i))
		}
		time.Sleep(3 * time.Second)
		shown := latency()
		require.Equal(w, uint64(100), shown.RunTime.Count())
		require.InDelta(w, time.Second, shown.RunTime.Quantile(0.99), float64(200*time.Millisecond))
		require.Greater(w, shown.Span, 4*time.Second)
		time.Sleep(2 * time.Minute)
		require.Empty(w, latency().RunTime, "of the last minute")
		s.stop()
		time.Sleep(8 * time.Second)
		require.NotNil(w, latency())
		time.Sleep(4 * time.Second)
		require.Nil(w, latency())
	})
}

// TestEvents_CountWhatIsMissed: a loop that takes its time gets the newest records, and the number
// of the others.
func TestEvents_CountWhatIsMissed(t *testing.T) {
	bubble(t, func(w *world) {
		m := w.add(fleet.Config{}, sleeping(0), gentask.Config{Concurrency: 10})
		require.NoError(w, m.consumer.Start())
		slow := true
		s := w.watch(w.observer(), fleet.EventFilter{}, func(r fleet.EventRecord) {
			if slow && r.ID != "" {
				slow = false
				time.Sleep(8 * time.Second)
			}
		})
		w.publish("first")
		time.Sleep(2 * time.Second)
		for i := range 2000 {
			w.publish(fmt.Sprint(i))
		}
		time.Sleep(12 * time.Second)
		missed, times := s.missed()
		require.Equal(w, 1, times)
		yielded := len(s.of("received")) + len(s.of("started")) + len(s.of("done"))
		require.Equal(w, 3*2001, yielded+int(missed))
		require.InDelta(w, 1000+2, yielded, 1, "the first question may come in the middle of a job")
	})
}

// TestEvents_MoreThanAnAnswer: several answers in a second are read, and nothing is missed.
func TestEvents_MoreThanAnAnswer(t *testing.T) {
	bubble(t, func(w *world) {
		m := w.add(fleet.Config{}, sleeping(0), gentask.Config{Concurrency: 10})
		require.NoError(w, m.consumer.Start())
		s := w.watch(w.observer(), fleet.EventFilter{}, nil)
		const seconds, each = 8, 160
		for i := range seconds {
			for j := range each {
				w.publish(fmt.Sprintf("%d %d %s", i, j, strings.Repeat("x", 100)))
			}
			time.Sleep(time.Second)
		}
		time.Sleep(3 * time.Second)
		require.Empty(w, s.of(fleet.KindMissed))
		require.Len(w, s.of("done"), seconds*each)
	})
}

// TestEvents_StopAndGoOn: a loop that takes too long is told that nothing was recorded.
func TestEvents_StopAndGoOn(t *testing.T) {
	bubble(t, func(w *world) {
		w.fleet(1, gentask.Config{})
		long := true
		s := w.watch(w.observer(), fleet.EventFilter{Kinds: []gentask.EventKind{gentask.EventDone}}, func(fleet.EventRecord) {
			if long {
				long = false
				time.Sleep(30 * time.Second)
			}
		})
		time.Sleep(18 * time.Second)
		w.publish("lost")
		time.Sleep(15 * time.Second)
		w.publish("seen")
		time.Sleep(5 * time.Second)
		_, times := s.missed()
		require.Equal(w, 1, times, "%v", s.of(fleet.KindMissed))
		require.Contains(w, s.of(fleet.KindMissed)[0].Reason, "nothing was recorded since 2000-01-01T00:00:1")
		done := s.of("done")
		require.Len(w, done, 1)
		require.Equal(w, "seen", done[0].ID)
	})
}

// TestEvents_NodesComeAndGo: a node that is cut off, closed or new is told, and one that comes back
// goes on where it was.
func TestEvents_NodesComeAndGo(t *testing.T) {
	bubble(t, func(w *world) {
		nodes := w.fleet(2, gentask.Config{Concurrency: 1})
		s := w.watch(w.observer(), fleet.EventFilter{}, nil)
		names := func(kind string) (all []string) {
			for _, r := range s.of(kind) {
				all = append(all, r.Node)
			}
			slices.Sort(all)
			return all
		}
		require.Equal(w, []string{"node01", "node02"}, names(fleet.KindNodeJoined))
		nodes[0].line.Cut()
		w.publish("1", "2")
		time.Sleep(7 * time.Second)
		require.Equal(w, []string{"node01"}, names(fleet.KindNodeLeft))
		nodes[0].line.Restore()
		time.Sleep(3 * time.Second)
		require.Equal(w, []string{"node01", "node01", "node02"}, names(fleet.KindNodeJoined))
		require.Len(w, s.of("done"), 2, "those of the cut, too")
		require.Empty(w, s.of(fleet.KindMissed))
		require.NoError(w, nodes[1].Close())
		w.add(fleet.Config{Node: "node03"}, sleeping(0), gentask.Config{})
		time.Sleep(10 * time.Second)
		require.Equal(w, []string{"node01", "node02"}, names(fleet.KindNodeLeft))
		require.Equal(w, []string{"node01", "node01", "node02", "node03"}, names(fleet.KindNodeJoined))
	})
}

// TestEvents_BrokerAway: a sequence whose broker is away yields one error, and goes on by itself.
func TestEvents_BrokerAway(t *testing.T) {
	bubble(t, func(w *world) {
		w.fleet(1, gentask.Config{})
		line := w.broker.Connect()
		cli, err := fleet.Join(w.Context(), line, fleet.Config{Node: "cli"})
		require.NoError(w, err)
		s := w.watch(cli, fleet.EventFilter{}, nil)
		for range 2 {
			line.Cut()
			w.publish("cut")
			time.Sleep(5 * time.Second)
			line.Restore()
			time.Sleep(2 * time.Second)
		}
		require.Len(w, s.failures(), 2)
		for _, err := range s.failures() {
			require.ErrorIs(w, err, queue.ErrUnavailable)
		}
		require.Len(w, s.of("done"), 2)
		require.Empty(w, s.of(fleet.KindNodeLeft), "no one could be asked")
		require.NoError(w, cli.Close())
		time.Sleep(2 * time.Second)
		require.Len(w, s.failures(), 3)
		require.ErrorIs(w, s.failures()[2], queue.ErrClosed)
		s.stop()
	})
}

// TestEvents_Filter: each part of a filter selects.
func TestEvents_Filter(t *testing.T) {
	bubble(t, func(w *world) {
		w.fleet(2, gentask.Config{Concurrency: 2})
		cli := w.observer()
		long := strings.Repeat("ü", 200)
		done := []gentask.EventKind{gentask.EventDone}
		all := w.watch(cli, fleet.EventFilter{Kinds: done}, nil)
		one := w.watch(cli, fleet.EventFilter{Node: "node02", Kinds: done}, nil)
		id := w.watch(cli, fleet.EventFilter{ID: long}, nil)
		ours := w.watch(cli, fleet.EventFilter{Queue: "emails"}, nil)
		others := w.watch(cli, fleet.EventFilter{Queue: "others"}, nil)
		w.publish("1", "2", "3", "4", "5", long)
		time.Sleep(20 * time.Second)
		require.Len(w, all.of("done"), 6)
		require.Empty(w, all.of("started"))
		require.Len(w, one.of(fleet.KindNodeJoined), 1)
		of02 := 0
		for _, r := range all.of("done") {
			if r.Node == "node02" {
				of02++
			}
		}
		require.Positive(w, of02)
		require.Len(w, one.of("done"), of02)
		for _, one := range []*sight{all, one, id, ours, others} {
			one.stop()
		}
		require.Len(w, id.all, 2+3)
		require.Equal(w, strings.Repeat("ü", 100), id.of("done")[0].ID, "texts are cut")
		require.Len(w, ours.of("done"), 6)
		require.Len(w, others.all, 2, "the nodes")
	})
}

// TestEvents_AsTheyAre: the fields have stable names, and texts are cut and nothing else.
func TestEvents_AsTheyAre(t *testing.T) {
	bubble(t, func(w *world) {
		bad := errors.New("\x1b[31mred\x00" + strings.Repeat("x", 1000))
		m := w.add(fleet.Config{Node: "n"}, gentask.Handle(func(context.Context, []byte) error { return bad }),
			gentask.Config{Retry: gentask.Retry{MaxAttempts: 1}})
		require.NoError(w, m.consumer.Start())
		s := w.watch(m.Node, fleet.EventFilter{}, nil)
		w.publish("\x07id")
		_, err := m.SetConcurrency(w.Context(), "emails", 1, ana)
		require.NoError(w, err)
		time.Sleep(3 * time.Second)
		done := s.of("done")
		require.Len(w, done, 1)
		require.Equal(w, "\x07id", done[0].ID)
		require.Equal(w, "dead letter", done[0].Disposition)
		require.Equal(w, "exit", done[0].Outcome)
		require.Contains(w, done[0].Reason, "\x1b[31mred\x00xxx")
		require.LessOrEqual(w, len(done[0].Reason), 500)
		require.Equal(w, "concurrency: off to 1 by ana: the provider is down", s.of("overridden")[0].Reason)
		done[0].Time = time.Unix(0, 0).UTC()
		done[0].Instance, done[0].Reason, done[0].SettleTime = "i", "r", 1
		body, err := json.Marshal(done[0])
		require.NoError(w, err)
		require.JSONEq(w, `{"time":"1970-01-01T00:00:00Z","node":"n","instance":"i","consumer":"emails","queue":"emails",
			"kind":"done","id":"\u0007id","attempt":1,"disposition":"dead letter","outcome":"exit","reason":"r",
			"settle_time_ns":1}`, string(body))
	})
}

// TestEvents_Break: a loop that breaks ends the sequence, and leaves nothing behind.
func TestEvents_Break(t *testing.T) {
	bubble(t, func(w *world) {
		w.fleet(2, gentask.Config{})
		cli := w.observer()
		for _, err := range cli.Events(w.Context(), fleet.EventFilter{}) {
			require.NoError(w, err)
			break
		}
		ctx, cancel := context.WithCancel(w.Context())
		cancel()
		for r, err := range cli.Events(ctx, fleet.EventFilter{}) {
			w.Error("the context has ended", r, err)
		}
		synctest.Wait()
	})
}
