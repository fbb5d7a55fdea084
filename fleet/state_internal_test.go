package fleet

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/queue"
)

var here = place{queue: "q", node: "n", instance: "i", prefetch: 10}

// anyRecord draws a command: for the place or another one, good or not.
func anyRecord(t *rapid.T) record {
	r := record{
		Format: rapid.SampledFrom([]int{1, 1, 1, 1, 1, 0, 2}).Draw(t, "format"),
		Kind: rapid.SampledFrom([]kind{
			kindPaused, kindConcurrency, kindRate, kindBreakerOpen, kindReset, kindCancelled, kindDrained, "other",
		}).Draw(t, "kind"),
		Queue: rapid.SampledFrom([]string{"q", "q", "q", "", "p"}).Draw(t, "queue"),
		By:    rapid.SampledFrom([]string{"ana", "bob"}).Draw(t, "by"),
	}
	on := rapid.Bool().Draw(t, "on")
	switch r.Kind {
	case kindConcurrency:
		r.Concurrency = rapid.SampledFrom([]int{0, 1, 10, 11, -1, math.MaxInt}).Draw(t, "concurrency")
	case kindRate:
		if on {
			r.Rate = &Rate{PerSecond: rapid.SampledFrom([]float64{0, 1, -1}).Draw(t, "rate"), Burst: rapid.IntRange(-1, 1).Draw(t, "burst")}
		}
	case kindReset:
		r.Reset = rapid.Uint64Range(0, 3).Draw(t, "reset")
	case kindCancelled:
		r.Job, r.On = rapid.SampledFrom([]string{"", "1", "2", "3"}).Draw(t, "job"), on
	case kindDrained:
		r.Node, r.Instance, r.On = "n", rapid.SampledFrom([]string{"i", "j"}).Draw(t, "instance"), on
	case kindPaused, kindBreakerOpen:
		r.On = on
	}
	return r
}

// want is what the records in a store command at the place, by the words of the documentation.
func want(records map[string]queue.Record) gentask.Overrides {
	var o gentask.Overrides
	keys := slices.SortedFunc(maps.Keys(records), func(a, b string) int { return int(records[b].Revision) - int(records[a].Revision) })
	for _, key := range keys {
		var r record
		if json.Unmarshal(records[key].Value, &r) != nil || r.Format != 1 || r.key() != key {
			continue
		}
		one := o
		one.Cancelled = maps.Clone(o.Cancelled)
		a := gentask.Author{By: r.By}
		switch {
		case r.Kind == kindCancelled && r.On && (r.Queue == "q" || r.Queue == ""):
			if one.Cancelled == nil {
				one.Cancelled = map[string]gentask.Author{}
			}
			one.Cancelled[r.Job] = a
		case r.Kind == kindDrained && r.Instance == "i":
			one.Drained = gentask.Override[bool]{Value: r.On, Author: a}
		case r.Queue != "q":
		case r.Kind == kindPaused:
			one.Paused = gentask.Override[bool]{Value: r.On, Author: a}
		case r.Kind == kindBreakerOpen:
			one.BreakerOpen = gentask.Override[bool]{Value: r.On, Author: a}
		case r.Kind == kindConcurrency:
			one.Concurrency = gentask.Override[int]{Value: r.Concurrency, Author: a}
		case r.Kind == kindReset:
			one.BreakerReset = gentask.Override[uint64]{Value: r.Reset, Author: a}
		case r.Kind == kindRate:
			one.Rate = gentask.Override[*gentask.Rate]{Author: a}
			if r.Rate != nil {
				one.Rate.Value = &gentask.Rate{PerSecond: r.Rate.PerSecond, Burst: r.Rate.Burst}
			}
		}
		if one.Check(here.prefetch) == nil {
			o = one
		}
	}
	return o
}

// TestState_FollowsTheStore: however writes, deletions, hostile records, repeated changes and new
// beginnings follow each other, a state that is current commands what the store has; one that is
// read again commands what it did before.
func TestState_FollowsTheStore(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, stored, revision := newState(), map[string]queue.Record{}, queue.Revision(0)
		reading := true
		last := gentask.Overrides{}
		feed := func(c queue.Change) { s.feed(c) }
		t.Repeat(map[string]func(*rapid.T){
			"set": func(t *rapid.T) {
				r := anyRecord(t)
				key := r.key()
				value, err := json.Marshal(r)
				require.NoError(t, err)
				switch rapid.IntRange(0, 9).Draw(t, "how") {
				case 0:
					value = rapid.SampledFrom([][]byte{nil, []byte("{"), []byte("null"), []byte(`[]`), []byte(`{"v":1,"kind":"paused","queue":7}`)}).Draw(t, "junk")
				case 1:
					key = rapid.SampledFrom([]string{"command", "command.queue.q.paused", "command.x", "command.queue.q.rate"}).Draw(t, "key")
				}
				if key == "" {
					key = "command.unknown"
				}
				revision++
				stored[key] = queue.Record{Key: key, Value: value, Revision: revision}
				feed(queue.Change{Kind: queue.ChangeSet, Record: stored[key]})
			},
			"gone": func(t *rapid.T) {
				if len(stored) == 0 {
					t.Skip()
				}
				key := rapid.SampledFrom(slices.Sorted(maps.Keys(stored))).Draw(t, "key")
				revision++
				delete(stored, key)
				feed(queue.Change{Kind: queue.ChangeGone, Record: queue.Record{Key: key, Revision: rapid.SampledFrom([]queue.Revision{0, revision}).Draw(t, "revision")}})
			},
			"again": func(t *rapid.T) {
				if len(stored) == 0 {
					t.Skip()
				}
				feed(queue.Change{Kind: queue.ChangeSet, Record: stored[rapid.SampledFrom(slices.Sorted(maps.Keys(stored))).Draw(t, "key")]})
			},
			"alive": func(*rapid.T) { feed(queue.Change{Kind: queue.ChangeAlive}) },
			"begin": func(t *rapid.T) {
				if rapid.Bool().Draw(t, "wiped") {
					clear(stored)
				}
				feed(queue.Change{Kind: queue.ChangeReset})
				reading = true
				for _, r := range stored {
					feed(queue.Change{Kind: queue.ChangeSet, Record: r})
				}
			},
			"current": func(*rapid.T) { feed(queue.Change{Kind: queue.ChangeCurrent}); reading = false },
			"": func(t *rapid.T) {
				if !reading {
					last = want(stored)
				}
				o, _ := s.overrides(here)
				require.NoError(t, o.Check(here.prefetch))
				require.Equal(t, last, o)
			},
		})
	})
}

// TestState_ManyCancellations: more than a consumer takes are the newest, and the others are
// refused.
func TestState_ManyCancellations(t *testing.T) {
	s := newState()
	const many = gentask.MaxCancelled + 50
	for i := range many {
		r := record{Format: 1, Kind: kindCancelled, Queue: "q", Job: fmt.Sprint(i), On: true, By: "ana"}
		value, err := json.Marshal(r)
		require.NoError(t, err)
		s.feed(queue.Change{Kind: queue.ChangeSet, Record: queue.Record{Key: r.key(), Value: value, Revision: queue.Revision(i + 1)}})
	}
	s.feed(queue.Change{Kind: queue.ChangeCurrent})
	begun := time.Now()
	o, refused := s.overrides(here)
	t.Log(time.Since(begun))
	require.NoError(t, o.Check(10))
	require.Len(t, o.Cancelled, gentask.MaxCancelled)
	require.Len(t, refused, 50)
	require.NotContains(t, o.Cancelled, "49")
	require.Contains(t, o.Cancelled, "50")
}

// TestRecord_KeysAreApart: no two things share a key, and every key is one that a store takes.
func TestRecord_KeysAreApart(t *testing.T) {
	text := rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"", "=", "a.b", "=h00"}), rapid.StringN(50, 300, -1))
	rapid.Check(t, func(t *rapid.T) {
		a := record{Kind: kindCancelled, Queue: text.Draw(t, "queue"), Job: text.Draw(t, "job")}
		b := record{Kind: kindCancelled, Queue: text.Draw(t, "other queue"), Job: text.Draw(t, "other job")}
		require.NoError(t, queue.CheckKey(a.key()))
		require.True(t, queue.HasPrefix(a.key(), prefix))
		require.Equal(t, a.Queue == b.Queue && a.Job == b.Job, a.key() == b.key())
		for _, k := range []kind{kindPaused, kindConcurrency, kindRate, kindBreakerOpen, kindReset, kindDrained} {
			r := record{Kind: k, Queue: a.Queue, Node: a.Queue}
			require.NoError(t, queue.CheckKey(r.key()))
		}
	})
}

// TestStatus_Fits: any status fits the bus, and says that it was cut.
func TestStatus_Fits(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		texts := rapid.SliceOfN(rapid.StringN(0, mostText, mostText), 1, 5).Draw(t, "texts")
		text := func(n int) string { return clip(rapid.SampledFrom(texts).Draw(t, "text"), n) }
		s := &NodeStatus{Node: text(maxNode), Host: text(mostIDText), Version: text(maxVersion)}
		for range rapid.IntRange(0, 300).Draw(t, "consumers") {
			c := ConsumerStatus{Name: text(mostIDText), Error: text(mostText)}
			id := text(mostIDText)
			for range rapid.IntRange(0, mostJobs).Draw(t, "jobs") {
				c.Jobs = append(c.Jobs, JobStatus{ID: id})
			}
			for range rapid.IntRange(0, mostListed).Draw(t, "overrides") {
				c.Overrides = append(c.Overrides, OverrideStatus{Reason: id})
			}
			s.Consumers = append(s.Consumers, c)
		}
		whole, err := json.Marshal(s)
		require.NoError(t, err)
		body := fit(s)
		require.LessOrEqual(t, len(body), mostAnswer)
		var got NodeStatus
		require.NoError(t, json.Unmarshal(body, &got))
		require.Equal(t, len(whole) > mostAnswer || len(s.Consumers) > mostConsumer, got.Cut)
	})
}

// FuzzRead: no record makes a node fail, and what is taken is a command under its key.
func FuzzRead(f *testing.F) {
	f.Add("command.queue.q.paused", []byte(`{"v":1,"kind":"paused","queue":"q","on":true,"by":"ana"}`))
	f.Add("command.queue.q.rate", []byte(`{"v":1,"kind":"rate","queue":"q","rate":{"per_second":1e400}}`))
	f.Add("command.cancelled.=.1", []byte(`{"v":1,"kind":"cancelled","job":"1","on":true}`))
	f.Fuzz(func(t *testing.T, key string, value []byte) {
		r, err := read(key, value)
		if err != nil {
			require.ErrorIs(t, err, ErrRecord)
			return
		}
		require.Equal(t, key, r.key())
		require.NoError(t, r.check(math.MaxInt))
		_ = r.text()
	})
}
