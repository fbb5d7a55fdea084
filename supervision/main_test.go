package supervision_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/supervision"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var errBoom = errors.New("boom")

// rig is what a test in a bubble has at hand: a system, and a log of what the children did.
type rig struct {
	*testing.T
	sys    *actor.System
	events []supervision.Event
	mu     sync.Mutex
	log    []string
	ended  []*supervision.Ended
	notify *actor.PID
}

// bubble runs test in a bubble of fake time. Every test ends with all actors gone, or the bubble
// does not end.
func bubble(t *testing.T, test func(r *rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := &rig{T: t, sys: actor.NewSystem(actor.SystemConfig{})}
		r.notify = actor.SpawnRoot(r.sys, actor.FromFunc(func(c actor.Context) {
			if m, ok := c.Message().(*supervision.Ended); ok {
				r.mu.Lock()
				defer r.mu.Unlock()
				r.ended = append(r.ended, m)
			}
		}), "notify")
		test(r)
	})
}

func (r *rig) note(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.log = append(r.log, fmt.Sprintf(format, args...))
}

// takeLog waits until nothing goes on any more, and returns what children did since the last call.
func (r *rig) takeLog() []string {
	synctest.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	log := r.log
	r.log = nil
	return log
}

func (r *rig) takeEnded() []*supervision.Ended {
	synctest.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	ended := r.ended
	r.ended = nil
	return ended
}

func (r *rig) onEvent(e supervision.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, e)
}

// kinds waits, and returns the kinds of all events of a child so far.
func (r *rig) kinds(id string) []supervision.EventKind {
	synctest.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	var kinds []supervision.EventKind
	for _, e := range r.events {
		if e.ID == id {
			kinds = append(kinds, e.Kind)
		}
	}
	return kinds
}

// Messages that children obey.
type (
	exit  struct{ reason error }
	block struct{ until <-chan struct{} }
)

// worker returns a factory of children that note their starts (+id) and stops (-id), and do what
// they are told.
func (r *rig) worker(id string) func() *actor.Props {
	return func() *actor.Props {
		return actor.FromFunc(func(c actor.Context) {
			switch m := c.Message().(type) {
			case *actor.Started:
				r.note("+%s", id)
			case *actor.Stopped:
				r.note("-%s", id)
			case exit:
				actor.Exit(c, m.reason)
			case block:
				<-m.until
			case error:
				panic(m)
			}
		})
	}
}

func (r *rig) child(id string) supervision.ChildSpec {
	return supervision.ChildSpec{ID: id, Props: r.worker(id), Notify: r.notify}
}

func (r *rig) dynamic(spec supervision.DynamicSpec) *actor.PID {
	r.Helper()
	spec.OnEvent = r.onEvent
	props, err := supervision.Dynamic(spec)
	require.NoError(r, err)
	return actor.SpawnRoot(r.sys, props, "dynamic")
}

func (r *rig) start(sup *actor.PID, spec supervision.ChildSpec) *actor.PID {
	r.Helper()
	pid, err := supervision.StartChild(r.Context(), r.sys, sup, spec)
	require.NoError(r, err)
	return pid
}

// send sends, and waits until nothing goes on any more.
func (r *rig) send(pid *actor.PID, message any) {
	actor.Send(r.sys, pid, message)
	synctest.Wait()
}

func (r *rig) stop(sup *actor.PID) report {
	r.Helper()
	got, err := stop(r.Context(), r.sys, sup)
	require.NoError(r, err)
	return got
}

// reasonOf returns a function that waits for the end of pid.
func (r *rig) reasonOf(pid *actor.PID) func() error {
	ended := make(chan error, 1)
	watcher := actor.SpawnRoot(r.sys, actor.FromFunc(func(c actor.Context) {
		if e, ok := c.Message().(*actor.Exited); ok {
			ended <- e.Reason
			actor.Exit(c, nil)
		}
	}), "watcher")
	actor.Monitor(r.sys, watcher, pid)
	synctest.Wait()
	return func() error { return <-ended }
}

// endOf spawns an actor that ends by itself, and returns its reason.
func (r *rig) endOf(props *actor.Props) error {
	ended := make(chan error, 1)
	actor.SpawnRoot(r.sys, actor.FromFunc(func(c actor.Context) {
		switch m := c.Message().(type) {
		case *actor.Started:
			actor.Spawn(c, props, actor.SpawnOptions{Monitor: true})
		case *actor.Exited:
			ended <- m.Reason
			actor.Exit(c, nil)
		}
	}), "parent")
	return <-ended
}

func (r *rig) children(sup *actor.PID) map[string]supervision.ChildInfo {
	r.Helper()
	synctest.Wait()
	list, err := supervision.Children(r.Context(), r.sys, sup)
	require.NoError(r, err)
	byID := make(map[string]supervision.ChildInfo)
	for _, c := range list {
		byID[c.ID] = c
	}
	require.Len(r, byID, len(list), "IDs are unique")
	return byID
}

// pid returns the present PID of a child.
func (r *rig) pid(sup *actor.PID, id string) *actor.PID {
	r.Helper()
	return r.children(sup)[id].PID
}

func (r *rig) count(sup *actor.PID) supervision.Counts {
	r.Helper()
	synctest.Wait()
	n, err := supervision.Count(r.Context(), r.sys, sup)
	require.NoError(r, err)
	return n
}

func sorted(s []string) []string { return slices.Sorted(slices.Values(s)) }

// report is the end of a supervisor.
type report struct {
	Reason    error
	Abandoned []supervision.Abandoned
}

// stop stops a supervisor, and waits for its end.
func stop(ctx context.Context, sys *actor.System, sup *actor.PID) (report, error) {
	reason, err := actor.Shutdown(ctx, sys, sup)
	if left, ok := errors.AsType[*supervision.AbandonedError](reason); ok {
		return report{left.Reason, left.Children}, err
	}
	return report{Reason: reason}, err
}
