package scenario_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"runtime"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/gentasktest"
	"github.com/gentask/gentask/internal/rig"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/task"
)

var (
	errOwn  = errors.New("own error")
	errPath = &fs.PathError{Op: "open", Path: "/", Err: errOwn}
)

// death is a way to die, and how HandleResult is to hear of it.
type death struct {
	name  string
	run   func(context.Context) error
	is    error
	as    any
	stack string // a function that the stack must name; without one there must be none
}

func deaths() []death {
	return []death{
		{"error", func(context.Context) error { return errPath }, errOwn, new(*fs.PathError), ""},
		{"panic(error)", func(context.Context) error { panic(errPath) }, errOwn, new(*actor.PanicError), "deaths"},
		{"panic(string)", func(context.Context) error { panic("text") }, nil, new(*actor.PanicError), "deaths"},
		{"panic(nil)", func(context.Context) error { panic(any(nil)) }, nil, new(*runtime.PanicNilError), "deaths"},
		{"runtime error", func(context.Context) error { return (*death)(nil).is }, nil, new(runtime.Error), "deaths"},
		{"Goexit", func(context.Context) error { runtime.Goexit(); return nil }, actor.ErrGoexit, new(*actor.GoexitError), "deaths"},
		{"FailNow", func(context.Context) error { new(testing.T).FailNow(); return nil }, actor.ErrGoexit, new(*actor.GoexitError), "FailNow"},
		{"own context cancelled", func(ctx context.Context) error {
			ctx, cancel := context.WithCancel(ctx)
			cancel()
			return ctx.Err()
		}, context.Canceled, nil, ""},
		{"job cancelled", func(ctx context.Context) error {
			job, _ := gentask.FromContext(ctx)
			job.Cancel()
			<-ctx.Done()
			return ctx.Err()
		}, gentask.ErrCancelled, nil, ""},
		{"panic in task.Go", func(ctx context.Context) error {
			return task.Go(ctx, func(context.Context) error { panic(errPath) })
		}, errOwn, new(*actor.PanicError), "deaths"},
		{"Goexit in task.Go", func(ctx context.Context) error {
			return task.Go(ctx, func(context.Context) error { runtime.Goexit(); return nil })
		}, actor.ErrGoexit, new(*actor.GoexitError), "deaths"},
		{"error in task.Go", func(ctx context.Context) error {
			return task.Go(ctx, func(context.Context) error { return errPath })
		}, errOwn, new(*fs.PathError), ""},
	}
}

func (d *death) check(t require.TestingT, reason error) {
	require.Error(t, reason, d.name)
	if d.is != nil {
		require.ErrorIs(t, reason, d.is, d.name)
	}
	if d.as != nil {
		require.ErrorAs(t, reason, d.as, d.name)
	}
	if d.stack == "" {
		require.Empty(t, actor.Stack(reason), d.name)
		return
	}
	require.Contains(t, actor.Stack(reason), d.stack, d.name)
}

func TestScenario03_EveryWayToDie(t *testing.T) { rig.Memory().Run(t, scenario03) }

// scenario03 lets each death happen some times on two slots, so that a slot that is lost is missed,
// and then something succeed.
func scenario03(r *rig.Rig) {
	const each = 3
	all := deaths()
	r.Send(lethal(r, len(all), each)...)
	m := &mortal{deaths: all, heard: map[int][]error{}}
	c := r.Start(gentask.Work(&rig.Worker[int, int]{OnRun: rig.Track(r.Runs, m.run), OnResult: m.handle}), gentask.Config{Concurrency: 2})
	r.Finish()
	for i := range all {
		require.Len(r, m.heard[i], each, "HandleResult hears once of each: %s", all[i].name)
		for _, reason := range m.heard[i] {
			all[i].check(r, reason)
		}
	}
	require.Equal(r, len(all)*each, r.Runs.Total())
	r.Publish(each) // a number in quotes: it can't be decoded, so Run is not called
	r.Finish()
	require.Equal(r, len(all)*each, r.Runs.Total())
	r.Eventually("the slots are free", func() bool { return c.Health().Running == 0 })
	require.Equal(r, gentask.Consuming, c.Health().State)
}

// lethal makes messages whose payload is the number of a death.
func lethal(t *rig.Rig, deaths, each int) []queue.Message {
	var msgs []queue.Message
	for i := range deaths * each {
		body, err := json.Marshal(i % deaths)
		require.NoError(t, err)
		msgs = append(msgs, queue.Message{ID: fmt.Sprintf("death-%d", i), Body: body})
	}
	return msgs
}

// mortal is a worker that dies in the way that its payload names.
type mortal struct {
	deaths []death

	mu    sync.Mutex
	heard map[int][]error
}

func (m *mortal) run(ctx context.Context, number int) (int, error) {
	return 1, m.deaths[number].run(ctx)
}

func (m *mortal) handle(job gentask.Job[int], o task.Outcome[int]) gentask.Decision {
	m.mu.Lock()
	defer m.mu.Unlock()
	if o.Status != task.Exit || o.Value != 0 {
		m.heard[job.Payload()] = append(m.heard[job.Payload()], nil)
	} else {
		m.heard[job.Payload()] = append(m.heard[job.Payload()], o.Reason)
	}
	return gentask.DeadLetter(o.Reason)
}

func TestScenario03_WithoutHandleResultTheDefaultPolicyHears(t *testing.T) {
	for _, d := range deaths() {
		t.Run(d.name, func(t *testing.T) {
			got := gentasktest.Run(t, gentask.Handle(func(ctx context.Context, _ int) error { return d.run(ctx) }),
				gentasktest.JSON(t, 1), gentask.Config{})
			require.Equal(t, task.Exit, got.Outcome)
			d.check(t, got.Reason)
			if errors.Is(d.is, gentask.ErrCancelled) {
				require.Equal(t, queue.DeadLetter, got.Disposition)
				return
			}
			require.Equal(t, queue.Requeue, got.Disposition)
		})
	}
}
