package promises

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
	"github.com/gentask/gentask/internal/rig"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/task"
)

var (
	errOwn  = errors.New("own error")
	errDown = errors.New("connection refused")
	errPath = &fs.PathError{Op: "open", Path: "/", Err: errOwn}
)

// Death is a way to die, with the reason that HandleResult must get.
type Death struct {
	Name  string
	Run   func(context.Context) error
	Is    error
	as    any
	stack string // a function that the stack must name; without one there must be none
}

// Deaths returns every way to die.
func Deaths() []Death {
	return []Death{
		{"error", func(context.Context) error { return errPath }, errOwn, new(*fs.PathError), ""},
		{"panic(error)", func(context.Context) error { panic(errPath) }, errOwn, new(*actor.PanicError), "Deaths"},
		{"panic(string)", func(context.Context) error { panic("text") }, nil, new(*actor.PanicError), "Deaths"},
		{"panic(nil)", func(context.Context) error { panic(any(nil)) }, nil, new(*runtime.PanicNilError), "Deaths"},
		{"runtime error", func(context.Context) error { return (*Death)(nil).Is }, nil, new(runtime.Error), "Deaths"},
		{"Goexit", func(context.Context) error { runtime.Goexit(); return nil }, actor.ErrGoexit, new(*actor.GoexitError), "Deaths"},
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
		}, errOwn, new(*actor.PanicError), "Deaths"},
		{"Goexit in task.Go", func(ctx context.Context) error {
			return task.Go(ctx, func(context.Context) error { runtime.Goexit(); return nil })
		}, actor.ErrGoexit, new(*actor.GoexitError), "Deaths"},
		{"error in task.Go", func(ctx context.Context) error {
			return task.Go(ctx, func(context.Context) error { return errPath })
		}, errOwn, new(*fs.PathError), ""},
	}
}

// Check fails unless reason is that of this death.
func (d *Death) Check(t require.TestingT, reason error) {
	require.Error(t, reason, d.Name)
	if d.Is != nil {
		require.ErrorIs(t, reason, d.Is, d.Name)
	}
	if d.as != nil {
		require.ErrorAs(t, reason, d.as, d.Name)
	}
	if d.stack == "" {
		require.Empty(t, actor.Stack(reason), d.Name)
		return
	}
	require.Contains(t, actor.Stack(reason), d.stack, d.Name)
}

// EveryWayToDie lets each Death happen some times on two slots, so that a slot that is lost is
// missed, and then something succeed.
func EveryWayToDie(r *rig.Rig) {
	const each = 3
	all := Deaths()
	r.Send(lethal(r, len(all), each)...)
	m := &mortal{deaths: all, heard: map[int][]error{}}
	c := r.Start(gentask.Work(&rig.Worker[int, int]{OnRun: rig.Track(r.Runs, m.run), OnResult: m.handle}), gentask.Config{Concurrency: 2})
	r.Finish()
	for i := range all {
		require.Len(r, m.heard[i], each, "HandleResult hears once of each: %s", all[i].Name)
		for _, reason := range m.heard[i] {
			all[i].Check(r, reason)
		}
	}
	require.Equal(r, len(all)*each, r.Runs.Total())
	r.Publish(each) // a number in quotes: it can't be decoded, so Run is not called
	r.Finish()
	require.Equal(r, len(all)*each, r.Runs.Total())
	r.Eventually("the slots are free", func() bool { return c.Health().Running == 0 })
	require.Equal(r, gentask.Consuming, c.Health().State)
}

// lethal makes messages whose payload is the number of a Death.
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
	deaths []Death

	mu    sync.Mutex
	heard map[int][]error
}

func (m *mortal) run(ctx context.Context, number int) (int, error) {
	return 1, m.deaths[number].Run(ctx)
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
