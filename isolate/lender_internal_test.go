package isolate

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/gentask/gentask"
)

// TestLender: a child is with as many jobs as it can take at most, jobs that wait get one in turn,
// no child is lost, and none is lent that was removed.
func TestLender(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		synctest.Test(t, func(t *testing.T) { lenderLife(t, rt) })
	})
}

// waiter is a job that waits for a child.
type waiter struct {
	cancel context.CancelFunc
	got    chan *process // capacity 1; nil if it was cancelled
}

// lenderModel is what a lender should be like.
type lenderModel struct {
	lender
	perChild int
	waiting  []waiter
	held     map[*process]int
	alive    map[*process]bool
}

func lenderLife(t *testing.T, rt *rapid.T) {
	t.Helper()
	m := &lenderModel{
		perChild: rapid.IntRange(1, 3).Draw(rt, "per child"), held: map[*process]int{}, alive: map[*process]bool{},
	}
	rt.Repeat(map[string]func(*rapid.T){
		"take": func(*rapid.T) {
			ctx, cancel := context.WithCancel(t.Context())
			w := waiter{cancel, make(chan *process, 1)}
			m.waiting = append(m.waiting, w)
			go func() {
				if p, err := m.take(ctx); err == nil {
					w.got <- p
				}
			}()
		},
		"give": func(rt *rapid.T) {
			for p, n := range m.held {
				if n > 0 && m.alive[p] {
					m.held[p]--
					m.give(p)
					return
				}
			}
			rt.Skip()
		},
		"give up": func(rt *rapid.T) {
			if len(m.waiting) == 0 {
				rt.Skip()
			}
			i := rapid.IntRange(0, len(m.waiting)-1).Draw(rt, "who")
			m.waiting[i].cancel()
			m.waiting = append(m.waiting[:i:i], m.waiting[i+1:]...)
		},
		"add": func(*rapid.T) {
			p := &process{cfg: Config{PerChild: m.perChild}}
			m.alive[p] = true
			m.add(p)
		},
		"remove": func(rt *rapid.T) {
			for p := range m.alive {
				delete(m.alive, p)
				m.remove(p)
				return
			}
			rt.Skip()
		},
		"": func(*rapid.T) { m.check(rt) },
	})
	for _, w := range m.waiting {
		w.cancel()
	}
}

// check lets those who wait have what is free, in turn.
func (m *lenderModel) check(t *rapid.T) {
	synctest.Wait()
	for len(m.waiting) > 0 && len(m.waiting[0].got) > 0 {
		p := <-m.waiting[0].got
		m.waiting = m.waiting[1:]
		m.held[p]++
		require.LessOrEqual(t, m.held[p], m.perChild)
		require.True(t, m.alive[p], "lent after it was removed")
	}
	for _, w := range m.waiting {
		require.Empty(t, w.got, "out of turn")
	}
	free := 0
	for p := range m.alive {
		free += m.perChild - m.held[p]
	}
	require.True(t, len(m.waiting) == 0 || free == 0, "%d wait while %d are free", len(m.waiting), free)
}

// TestLender_CantStart: jobs are given back while no child lives and none can start, and only then.
func TestLender_CantStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, broken := &lender{}, errors.New("no such file")
		failed := make(chan error, 1)
		take := func() {
			go func() {
				_, err := l.take(t.Context())
				failed <- err
			}()
			synctest.Wait()
		}
		take()
		require.Empty(t, failed, "the first start is under way")
		l.cantStart(broken, time.Second)
		for range 2 {
			err := <-failed
			require.ErrorIs(t, err, ErrStart)
			require.ErrorIs(t, err, broken)
			var d gentask.Decision
			require.ErrorAs(t, err, &d)
			require.Equal(t, gentask.Snooze(time.Second), d)
			take()
		}
		require.ErrorIs(t, <-failed, ErrStart)
		p := &process{cfg: Config{PerChild: 1}}
		l.add(p)
		take()
		require.NoError(t, <-failed)
		l.cantStart(broken, time.Second)
		take()
		require.Empty(t, failed, "another child lives")
		l.give(p)
		require.NoError(t, <-failed)
	})
}
