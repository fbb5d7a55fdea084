package schedule

import (
	"context"
	"encoding/json"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/memory"
)

// Each call fires the plan once, however many nodes run it, beside its planned times, and also
// while it is paused. Calls at the same moment are firings of their own.
func TestRunNow(t *testing.T) {
	stored(t, func(t *testing.T, s *site) {
		nodes := []*node{s.start(), s.start(), s.start()}
		s.put(Plan{Name: "report", Cron: "@hourly", Zone: "Europe/Berlin", Missed: Latest})
		s.wait("00:30:00")
		require.NoError(t, s.plans.RunNow(t.Context(), "report"))
		s.wait("00:45:00")
		require.Equal(t, "01:30", s.fired(), "by the clock of its zone")
		all, err := s.plans.List(t.Context())
		require.NoError(t, err)
		require.Equal(t, 30, all[0].Asked.Minute())
		require.Zero(t, all[0].Last, "of planned times")
		s.wait("01:00:00")
		require.NoError(t, s.plans.RunNow(t.Context(), "report"))
		s.wait("01:10:00")
		require.Equal(t, "02:00 02:00", s.fired(), "a planned time is no call")
		require.NoError(t, s.plans.Pause(t.Context(), "report"))
		var calls sync.WaitGroup
		for range 10 {
			calls.Go(func() { require.NoError(t, s.plans.RunNow(t.Context(), "report")) })
		}
		calls.Wait()
		s.wait("02:10:00")
		require.Len(t, strings.Fields(s.fired()), 10)
		require.ErrorIs(t, s.plans.RunNow(t.Context(), "another"), queue.ErrNoRecord)
		require.NoError(t, s.plans.Remove(t.Context(), "report"))
		count, err := s.plans.store.Count(t.Context(), "")
		require.NoError(t, err)
		require.Zero(t, count, "nothing is left")
		require.Empty(t, end(t, nodes...))
	})
}

// A node that was cut off or down fires what was asked for when it is back, once, unless it could
// come twice then.
func TestRunNow_Later(t *testing.T) {
	for late, want := range map[time.Duration]string{30 * time.Second: "00:30", 2 * time.Hour: ""} {
		stored(t, func(t *testing.T, s *site) {
			s.q.Close()
			s.q = memory.New(memory.Config{Unique: time.Hour})
			defer s.q.Close()
			s.put(Plan{Name: "report", Cron: "@yearly"})
			n := s.start()
			s.wait("00:30:00")
			s.nodes.Cut()
			require.NoError(t, s.plans.RunNow(t.Context(), "report"))
			time.Sleep(late)
			s.nodes.Restore()
			time.Sleep(5 * time.Second)
			others := []*node{s.start(), s.start()}
			time.Sleep(time.Minute)
			require.Equal(t, want, s.fired())
			log := end(t, n)
			require.Equal(t, want == "", strings.Contains(log, "asked for too long ago"), log)
			require.Empty(t, end(t, others...))
		})
	}
}

// A firing that the broker does not take is tried again, beyond the next planned time, and given up
// when its plan is removed.
func TestRunNow_BrokerAway(t *testing.T) {
	for removed, want := range map[bool]string{false: "00:30", true: ""} {
		stored(t, func(t *testing.T, s *site) {
			p := &away{flaky{Queue: s.q}}
			s.put(Plan{Name: "report", Cron: "31 0 1 * *"})
			n := s.startOn(p)
			s.wait("00:30:00")
			p.fail(errDown)
			require.NoError(t, s.plans.RunNow(t.Context(), "report"))
			s.wait("00:30:50")
			require.NoError(t, s.plans.Pause(t.Context(), "report"))
			s.wait("00:31:20")
			if removed {
				require.NoError(t, s.plans.Remove(t.Context(), "report"))
			}
			s.wait("00:31:30")
			p.fail(nil)
			s.wait("00:40:00")
			require.Equal(t, want, s.fired())
			end(t, n)
		})
	}
}

// Answers that are lost make no second firing, and no lost one.
func TestRunNow_Uncertain(t *testing.T) {
	stored(t, func(t *testing.T, s *site) {
		n := s.start()
		s.put(Plan{Name: "report", Cron: "@yearly"})
		time.Sleep(time.Second)
		for range 3 {
			s.broker.LoseAnswers(1)
			require.NoError(t, s.plans.RunNow(t.Context(), "report"))
		}
		time.Sleep(time.Minute)
		require.Equal(t, "00:00 00:00 00:00", s.fired())
		end(t, n)
	})
}

// Old requests go, and records of others are left alone.
func TestRunNow_Records(t *testing.T) {
	stored(t, func(t *testing.T, s *site) {
		ctx, store := t.Context(), s.plans.store
		s.put(Plan{Name: "report", Cron: "@yearly"})
		for range mostAsked + 10 {
			require.NoError(t, s.plans.RunNow(ctx, "report"))
			time.Sleep(time.Second)
		}
		record, err := store.Get(ctx, s.plans.askedKey("report"))
		require.NoError(t, err)
		var r askedRecord
		require.NoError(t, json.Unmarshal(record.Value, &r))
		require.Len(t, r.Times, mostAsked)
		require.Less(t, len(record.Value), 4<<10)
		_, err = store.Put(ctx, s.plans.prefix+".novel.report", []byte("x"), queue.Absent, 0)
		require.NoError(t, err)
		all, err := s.plans.List(ctx)
		require.NoError(t, err)
		require.Len(t, all, 1)
		_, err = store.Put(ctx, s.plans.planKey("newer"), []byte(`{"v":2}`), queue.Absent, 0)
		require.NoError(t, err)
		require.ErrorIs(t, s.plans.RunNow(ctx, "newer"), queue.ErrUnknown)
		gone, cancel := context.WithCancel(ctx)
		cancel()
		require.Error(t, s.plans.RunNow(gone, "report"))
	})
}

// removing is a store that does something before the n-th write under a key.
type removing struct {
	queue.Store
	key  string
	n    int
	then func()
}

func (r *removing) Put(
	ctx context.Context, key string, value []byte, at queue.Revision, keep time.Duration,
) (queue.Revision, error) {
	if key == r.key {
		if r.n--; r.n == 0 {
			r.then()
		}
	}
	return r.Store.Put(ctx, key, value, at, keep)
}

// A firing that is asked for while its plan is removed is none, leaves nothing behind, and is none
// of another plan that gets the name.
func TestRunNow_WhileRemoved(t *testing.T) {
	for name, again := range map[string]bool{"removed": false, "put again": true} {
		t.Run(name, func(t *testing.T) {
			stored(t, func(t *testing.T, s *site) {
				n := s.start()
				report := Plan{Name: "report", Cron: "@yearly"}
				s.put(report)
				s.wait("00:10:00")
				slow := *s.plans
				slow.store = &removing{Store: s.plans.store, key: s.plans.askedKey("report"), n: 1, then: func() {
					require.NoError(t, s.plans.Remove(t.Context(), "report"))
					time.Sleep(time.Second)
					if again {
						s.put(report)
						require.NoError(t, s.plans.RunNow(t.Context(), "report"))
					}
				}}
				require.ErrorIs(t, slow.RunNow(t.Context(), "report"), queue.ErrNoRecord)
				s.wait("00:20:00")
				want := ""
				if again {
					want = "00:10"
					require.NoError(t, s.plans.Remove(t.Context(), "report"))
				}
				require.Equal(t, want, s.fired())
				count, err := s.plans.store.Count(t.Context(), "")
				require.NoError(t, err)
				require.Zero(t, count, "nothing is left")
				end(t, n)
			})
		})
	}
}

// What is left of a plan that was removed is not that of the next one of its name: its requests,
// and its last firing.
func TestRunNow_LeftOver(t *testing.T) {
	stored(t, func(t *testing.T, s *site) {
		hourly := Plan{Name: "report", Cron: "@hourly", Missed: Latest}
		s.put(hourly)
		n := s.start()
		s.wait("01:30:00")
		require.Equal(t, "01:00", s.fired())
		s.nodes.Cut()
		require.NoError(t, s.plans.RunNow(t.Context(), "report"))
		left := map[string]queue.Record{}
		for _, key := range []string{s.plans.askedKey("report"), s.plans.firedKey("report")} {
			record, err := s.plans.store.Get(t.Context(), key)
			require.NoError(t, err)
			left[key] = record
		}
		require.NoError(t, s.plans.Remove(t.Context(), "report"))
		time.Sleep(time.Minute)
		s.put(Plan{Name: "report", Cron: "@yearly"})
		for key, record := range left {
			_, err := s.plans.store.Put(t.Context(), key, record.Value, queue.Absent, 0)
			require.NoError(t, err)
		}
		s.nodes.Restore()
		s.wait("01:40:00")
		require.Empty(t, s.fired())
		all, err := s.plans.List(t.Context())
		require.NoError(t, err)
		require.Zero(t, all[0].Last)
		require.Zero(t, all[0].Asked)
		require.NoError(t, s.plans.RunNow(t.Context(), "report"))
		s.wait("01:50:00")
		require.Equal(t, "01:40", s.fired())
		end(t, n)
	})
}
