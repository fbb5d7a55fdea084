package rig

import (
	"context"
	"encoding/json"
	"log/slog"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/task"
)

// Rig is one queue, the consumers that a scenario starts on it, and what they were seen to do. Its
// methods are to be called by the test's own goroutine, those of Runs and Allow aside.
type Rig struct {
	*testing.T
	Fixture

	// System is where consumers live.
	System *actor.System

	// Runs counts the runs of the behaviours made with Handle and Track. Scenarios with several
	// nodes that may run the same message, each for its own delivery, give each node a Runs of its
	// own.
	Runs *Runs

	// Allow has what the scenario brings about on purpose.
	Allow Allow

	// Limit bounds every wait. It is a minute.
	Limit time.Duration

	virtual   bool
	spy       *spy
	events    recorder
	logs      *logs
	actors    int
	published int
	nodes     []*gentask.Consumer
}

// Allow lists what otherwise fails a test when it is found at its end.
type Allow struct {
	Overlaps   bool // two runs of one message at the same time: after an abandoned task
	Crashes    bool // the ledger or the worker supervisor was started again
	Healed     bool // the watchdog had to mend something
	GaveUp     bool // a consumer ended by itself
	Logged     bool // errors in the log
	Unfinished bool // tracked runs that have not returned
}

func newRig(t *testing.T, b Broker) *Rig {
	t.Helper()
	r := &Rig{T: t, Fixture: b.Queue(t), Runs: NewRuns(), Limit: time.Minute, virtual: b.Virtual, logs: &logs{}}
	r.spy = newSpy(r.Source)
	r.Source = r.spy
	r.System = actor.NewSystem(actor.SystemConfig{})
	r.actors = len(r.pids())
	t.Cleanup(r.abort)
	return r
}

// abort stops what a scenario that was broken off has left, so that its failure is the only one.
func (r *Rig) abort() {
	if !r.Failed() {
		return
	}
	ctx, cancel := r.within()
	defer cancel()
	for _, c := range r.nodes {
		if _, err := c.Stop(ctx); err != nil {
			r.Logf("left behind: %v", err)
		}
	}
}

// Publish publishes n messages, whose ids are numbers that go on from call to call, from 1, and
// whose bodies are their ids as JSON strings.
func (r *Rig) Publish(n int) {
	r.Helper()
	msgs := make([]queue.Message, n)
	for i := range msgs {
		id := strconv.Itoa(r.published + i + 1)
		body, err := json.Marshal(id)
		require.NoError(r, err)
		msgs[i] = queue.Message{ID: id, Body: body}
	}
	r.Send(msgs...)
}

// Send publishes messages of the scenario's own.
func (r *Rig) Send(msgs ...queue.Message) {
	r.Helper()
	ctx, cancel := r.within()
	defer cancel()
	require.NoError(r, r.Publisher.Publish(ctx, msgs...))
	r.published += len(msgs)
}

// Handle makes a behaviour of a function that gets the message's id, and is tracked in Runs.
func (r *Rig) Handle(f func(ctx context.Context, id string) error) gentask.Behavior {
	run := Track(r.Runs, func(ctx context.Context, _ []byte) (struct{}, error) {
		job, _ := gentask.FromContext(ctx)
		return struct{}{}, f(ctx, job.ID())
	})
	return gentask.Handle(func(ctx context.Context, body []byte) error {
		_, err := run(ctx, body)
		return err
	})
}

// Actors is Handle with workers that are actors of the test's own, made by gentask.Actor, which
// decide as the default policy does: so they have a supervisor.
func (r *Rig) Actors(f func(ctx context.Context, id string) error) gentask.Behavior {
	return gentask.Actor(func(job gentask.ActorJob[[]byte]) *actor.Props {
		run := Track(r.Runs, func(ctx context.Context, _ []byte) (any, error) { return nil, f(ctx, job.ID()) })
		return actor.FromFunc(func(ctx actor.Context) {
			switch msg := ctx.Message().(type) {
			case *actor.Started:
				if job.Run(ctx, func(c context.Context) (any, error) { return run(c, nil) }) != nil {
					ctx.Stop(ctx.Self())
				}
			case *task.Outcome[any]:
				if msg.Status == task.Timeout {
					msg.Task.Stop(task.ErrTimeout, 0)
					return
				}
				_ = job.Settle(gentask.DefaultDecision(job.Job, *msg)) // lost, or settled before
				ctx.Stop(ctx.Self())
			}
		})
	})
}

// New makes a consumer of the queue, in the rig's system, with its events and logs recorded.
func (r *Rig) New(b gentask.Behavior, cfg gentask.Config) *gentask.Consumer {
	r.Helper()
	c, err := gentask.New(r.Source, b, r.Config(cfg))
	require.NoError(r, err)
	r.nodes = append(r.nodes, c)
	return c
}

// Config completes cfg for gentask.New and gentask.Run: the rig's system and logger, and a hook
// that records events before it calls that of cfg.
func (r *Rig) Config(cfg gentask.Config) gentask.Config {
	if cfg.System == nil {
		cfg.System = r.System
	}
	cfg.Logger = slog.New(r.logs)
	cfg.OnEvent = r.events.hook(cfg.OnEvent)
	return cfg
}

// Start makes and starts a consumer. The rig stops it at the end of the test, if the scenario
// doesn't.
func (r *Rig) Start(b gentask.Behavior, cfg gentask.Config) *gentask.Consumer {
	r.Helper()
	c := r.New(b, cfg)
	require.NoError(r, c.Start())
	return c
}

// Stop drains a consumer.
func (r *Rig) Stop(c *gentask.Consumer) gentask.DrainReport {
	r.Helper()
	ctx, cancel := r.within()
	defer cancel()
	report, err := c.Stop(ctx)
	require.NoError(r, err)
	return report
}

// Finish waits until every message that was published is acknowledged or dead-lettered. In real
// time it also waits until every delivery has had its end event, so that events can be counted; in
// virtual time Events sees to that.
func (r *Rig) Finish() {
	r.Helper()
	if r.Memory != nil {
		r.empty()
		return
	}
	r.Eventually("the queue is empty", func() bool { return r.left() == 0 })
	if !r.virtual {
		r.Eventually("every delivery has ended", func() bool {
			return len(r.Events(gentask.EventReceived)) == len(r.Events(gentask.EventDone))
		})
	}
}

// empty waits without looking every few milliseconds, which would take its time when a back-off
// takes hours.
func (r *Rig) empty() {
	r.Helper()
	ctx, cancel := r.within()
	defer cancel()
	require.NoError(r, r.Memory.WaitEmpty(ctx), "the queue is not empty: %+v", r.Memory.Stats())
	r.Rest()
}

// left returns how many messages are in the queue, in any state.
func (r *Rig) left() int {
	if r.Left == nil {
		return r.published - r.spy.done()
	}
	ctx, cancel := r.within()
	defer cancel()
	n, err := r.Left(ctx)
	require.NoError(r, err)
	return n
}

// Eventually waits until cond holds, for Limit at the most. In virtual time everything else comes
// to rest before each look.
func (r *Rig) Eventually(what string, cond func() bool) {
	r.Helper()
	const every = 5 * time.Millisecond
	for end := time.Now().Add(r.Limit); ; {
		r.Rest()
		if cond() {
			return
		}
		if time.Now().After(end) {
			r.Fatalf("waited %v in vain until %s; %+v", r.Limit, what, r.spy.counts())
		}
		time.Sleep(every)
	}
}

// Rest waits until every goroutine is at rest, in virtual time; in real time it does nothing.
func (r *Rig) Rest() {
	if r.virtual {
		synctest.Wait()
	}
}

// Events returns the events so far, in order; those of the given kinds if there are any.
func (r *Rig) Events(kinds ...gentask.EventKind) []gentask.Event {
	r.Rest()
	return r.events.of(kinds...)
}

// Nodes returns the consumers that New and Start made, in order.
func (r *Rig) Nodes() []*gentask.Consumer { return r.nodes }

// Find returns an actor of the consumers' trees whose name begins with kind: "ledger", "workers",
// "tasks", "partition", or a consumer's name. It waits until there is one.
func (r *Rig) Find(kind string) *actor.PID {
	r.Helper()
	var found *actor.PID
	r.Eventually("there is an actor of kind "+kind, func() bool {
		for _, id := range r.pids() {
			if strings.HasPrefix(id[strings.LastIndexByte(id, '/')+1:], kind+"-") {
				found = r.System.NewLocalPID(id)
			}
		}
		return found != nil
	})
	return found
}

// Kill kills the actor that Find finds, and waits until it is gone.
func (r *Rig) Kill(kind string) {
	r.Helper()
	pid := r.Find(kind)
	actor.Kill(r.System, pid)
	r.Eventually(pid.Id+" is gone", func() bool { return !actor.Alive(r.System, pid) })
}

// pids lists the registry.
func (r *Rig) pids() []string {
	var ids []string
	for _, m := range r.System.ProcessRegistry.LocalPIDs.LocalPIDs {
		m.IterCb(func(id string, _ any) { ids = append(ids, id) }) // Keys would start 32 goroutines for each of 1,024 maps
	}
	return ids
}

func (r *Rig) within() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(r.Context()), r.Limit)
}
