package task

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/gentask/gentask/actor"
)

// step is one thing that happens to the task of the model test.
type step struct {
	What string
	D    time.Duration
	Who  int
}

// model is what must become of one task, for any requests in any order.
type model struct {
	obedient bool // returns when its context ends
	now, due time.Duration
	owner    int // -1: none
	cause    error
	stopping bool
	dropped  bool
	returned bool
	final    string // "": it runs
	heard    [2][]string
	stats    Stats
}

func (m *model) tell(what string) {
	if m.owner >= 0 {
		m.heard[m.owner] = append(m.heard[m.owner], what)
	}
}

func (m *model) end(what string) {
	m.final, m.due = what, 0
	m.tell(what)
}

func (m *model) returns(what string) {
	if m.returned {
		return
	}
	m.returned = true
	if m.final != "" {
		m.stats.Abandoned--
		m.stats.Late++
		return
	}
	m.stats.Running--
	if m.dropped {
		m.stats.Late++
	}
	m.end(what)
}

func (m *model) abandon() {
	m.stats.Running--
	m.stats.Abandoned++
	m.end("exit " + fmt.Errorf("%w: %w", m.cause, ErrAbandoned).Error())
}

func (m *model) step(s step) {
	switch s.What {
	case "sleep":
		m.now += s.D
		if m.due != 0 && m.due <= m.now {
			m.due = 0
			if m.stopping {
				m.abandon()
			} else {
				m.tell("timeout " + ErrTimeout.Error())
			}
		}
	case "return":
		m.returns("ok 1")
	case "extend":
		if m.final == "" && !m.stopping {
			m.due = m.now + s.D
		}
	case "stop", "brutal":
		m.stop(s)
	case "adopt":
		m.owner = s.Who
		if m.final != "" {
			m.tell(m.final)
		}
	case "ignore":
		m.owner, m.dropped = -1, true
	}
}

func (m *model) stop(s step) {
	switch {
	case m.final != "":
		return
	case m.cause == nil:
		m.cause = causes()[s.Who]
	}
	m.stopping, m.due = true, m.now+s.D
	switch {
	case m.obedient:
		m.returns("exit " + fmt.Errorf("%w: %w", m.cause, m.contextError()).Error())
	case s.What == "brutal":
		m.abandon()
	}
}

// contextError is what a task that was stopped sees: only a timeout is a deadline.
func (m *model) contextError() error {
	if errors.Is(m.cause, ErrTimeout) {
		return context.DeadlineExceeded
	}
	return context.Canceled
}

func causes() [2]error { return [2]error{ErrTimeout, errFailed} }

func steps() *rapid.Generator[step] {
	return rapid.Custom(func(t *rapid.T) step {
		return step{
			What: rapid.SampledFrom([]string{
				"sleep", "sleep", "return", "extend", "stop", "brutal", "adopt", "ignore",
				"stale",
			}).Draw(t, "what"),
			D:   time.Duration(rapid.IntRange(1, 5).Draw(t, "d")) * time.Second,
			Who: rapid.IntRange(0, 1).Draw(t, "who"),
		}
	})
}

func TestALifeFollowsTheModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		m := &model{
			obedient: rapid.Bool().Draw(rt, "obedient"), due: 2 * time.Second,
			stats: Stats{Started: 1, Running: 1},
		}
		todo := rapid.SliceOfN(steps(), 0, 20).Draw(rt, "steps")
		if m.obedient { // it may return before a brutal stop gives it up, or not
			todo = slices.DeleteFunc(todo, func(s step) bool { return s.What == "brutal" })
		}
		var failure error
		synctest.Test(t, func(t *testing.T) { failure = live(t, m, todo) })
		if failure != nil {
			rt.Fatal(failure)
		}
	})
}

// live does the steps to a task, and compares it with the model after each.
func live(t *testing.T, m *model, todo []step) error {
	t.Helper()
	s, sys := startedIn(t, actor.NewSystem(actor.SystemConfig{}), Config{Partitions: 1})
	owners := [2]*owner{newOwner(t, sys), newOwner(t, sys)}
	release := make(chan struct{})
	defer func() {
		if !m.returned {
			close(release)
			synctest.Wait() // the owners get it before they end
		}
	}()
	task, err := s.Spawn(Spec{
		Owner: owners[0].pid, Timeout: 2 * time.Second,
		Run: func(ctx context.Context) (any, error) {
			heed := ctx.Done()
			if !m.obedient {
				heed = nil
			}
			select {
			case <-release:
				return 1, nil
			case <-heed:
				return nil, ctx.Err()
			}
		},
	})
	require.NoError(t, err)
	synctest.Wait() // one that is given up before it has begun never does
	var heard [2][]string
	for i, st := range todo {
		if st.What == "return" && !m.returned {
			close(release)
		}
		do(task, st, owners)
		synctest.Wait()
		m.step(st)
		for i, own := range owners {
			for len(own.heard) > 0 {
				heard[i] = append(heard[i], say(<-own.heard))
			}
		}
		got := fmt.Sprint(heard, s.Stats(), task.Over())
		if want := fmt.Sprint(m.heard, m.stats, m.final != ""); got != want {
			//nolint:err113 // for the log of the test
			return fmt.Errorf("after step %d of %+v:\ngot  %s\nwant %s", i, todo, got, want)
		}
	}
	if m.final != "" && say(task.Yield(0)) != m.final {
		return errors.New("those who wait hear something else: " + say(task.Yield(0)))
	}
	return nil
}

func do(task *Task[any], s step, owners [2]*owner) {
	switch s.What {
	case "sleep":
		time.Sleep(s.D)
	case "extend":
		task.Extend(s.D)
	case "stop":
		task.Stop(causes()[s.Who], s.D)
	case "brutal":
		task.Stop(causes()[s.Who], Brutal)
	case "adopt":
		task.Adopt(owners[s.Who].pid)
	case "ignore":
		task.Ignore()
	case "stale":
		task.run.tell(&timeUp{})
	}
}

func say(o Outcome[any]) string {
	if o.Status == OK {
		return fmt.Sprint(o.Status, " ", o.Value)
	}
	return fmt.Sprint(o.Status, " ", o.Reason)
}
