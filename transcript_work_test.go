package gentask

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"time"

	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/internal/process"
	"github.com/gentask/gentask/task"
)

// behavior makes the behaviour that the script asks for.
func (p *replay) behavior() Behavior {
	work := Work[simJob, int](p)
	switch p.kind {
	case "actor":
		return Actor(func(job ActorJob[simJob]) *actor.Props {
			return actor.FromProducer(func() actor.Actor { return &replayActor{replay: p, job: job} })
		})
	case "mux":
		return Mux("kind", map[string]Behavior{"order": work})
	case "handle":
		return Handle(func(ctx context.Context, j simJob) error { _, err := p.Run(ctx, j); return err })
	}
	return work
}

// Run implements Worker. It follows the script.
func (p *replay) Run(ctx context.Context, j simJob) (int, error) {
	name := "run " + j.ID
	p.turn(name)
	p.log.add(lineJob, "run %s", j.ID)
	what := p.next(p.runs, j.ID, "ok")
	for {
		first, rest, _ := strings.Cut(what, " ")
		d, err := time.ParseDuration(first)
		if err != nil {
			return p.act(ctx, j.ID, what)
		}
		if what = rest; p.pause(name, d, ctx.Done()) {
			p.log.add(lineJob, "%s is stopped%s", j.ID, reasonText(context.Cause(ctx)))
			return 0, context.Cause(ctx)
		}
	}
}

// act is the end of a run.
func (p *replay) act(ctx context.Context, id, what string) (int, error) {
	verb, text, _ := strings.Cut(what, " ")
	switch verb {
	case "ok":
		p.log.add(lineJob, "%s returns", id)
		return 1, nil
	case "error":
		p.log.add(lineJob, "%s returns an error: %s", id, text)
		return 0, errors.New(text)
	case "deadletter":
		p.log.add(lineJob, "%s returns DeadLetter: %s", id, text)
		return 0, DeadLetter(errors.New(text))
	case "snooze":
		d, err := time.ParseDuration(text)
		p.log.add(lineJob, "%s returns Snooze(%v)", id, d)
		return 0, errors.Join(err, Snooze(d))
	case "extend":
		d, err := time.ParseDuration(text)
		p.log.add(lineJob, "%s returns Extend(%v)", id, d)
		return 0, errors.Join(err, Extend(d))
	case "wraps":
		p.log.add(lineJob, "%s returns an error that wraps %s", id, text)
		return 0, fmt.Errorf("another job: %w", errorsByName[text])
	case "hostile":
		p.log.add(lineJob, "%s returns an error whose Error method %s", id, text)
		return 0, &hostileError{p.released, text == "blocks"}
	case "panic":
		p.log.add(lineJob, "%s panics: %s", id, text)
		panic(text)
	case "goexit":
		p.log.add(lineJob, "%s calls runtime.Goexit", id)
		runtime.Goexit()
	case "go":
		_ = task.Go(ctx, func(context.Context) error { panic(text) })
		return p.hang(ctx, id, "")
	case "settle":
		job, _ := FromContext(ctx)
		p.log.add(lineJob, "%s calls Job.Settle%s", id, reasonText(job.Settle(Ack())))
		return p.act(ctx, id, text)
	case "hang":
		return p.hang(ctx, id, text)
	case "deaf":
		return p.deaf(id, text)
	}
	panic("the script of " + id + " has no " + what)
}

// hostileError is an error whose Error method panics, or blocks.
type hostileError struct {
	released <-chan struct{}
	blocks   bool
}

func (e *hostileError) Error() string {
	if e.blocks {
		<-e.released
		return "released"
	}
	panic("in Error")
}

// hang waits for the end of its context, and then returns its cause, or a value.
func (p *replay) hang(ctx context.Context, id, then string) (int, error) {
	<-ctx.Done()
	p.turn("run " + id)
	p.log.add(lineJob, "%s is stopped%s", id, reasonText(context.Cause(ctx)))
	if then == "ok" {
		return p.act(ctx, id, then)
	}
	return 0, context.Cause(ctx)
}

// deaf ignores its context.
func (p *replay) deaf(id, text string) (int, error) {
	d, err := time.ParseDuration(text)
	if err != nil {
		d = replayPatience * 10
	}
	p.pause("run "+id, d, p.released)
	p.log.add(lineJob, "%s returns", id)
	return 1, nil
}

// HandleResult implements Worker. It follows the script, or the default policy.
func (p *replay) HandleResult(job Job[simJob], o task.Outcome[int]) Decision {
	id := job.ID()
	verb, text, _ := strings.Cut(p.next(p.asks, id, "default"), " ")
	heard := fmt.Sprintf("HandleResult %s: %s", id, statusText(o.Status, o.Reason))
	switch verb {
	case "panic":
		p.log.add(lineJob, "%s; it panics: %s", heard, text)
		panic(text)
	case "hang":
		p.log.add(lineJob, "%s; it hangs", heard)
		<-p.released
		if verb, text, then := strings.Cut(text, " "); then {
			return p.decision(verb, text)
		}
		return Ack()
	}
	d := p.decision(verb, text)
	if d.kind == undecided {
		d = DefaultDecision(job, o)
	}
	shown := d
	shown.after = short(d.after)
	p.log.add(lineJob, "%s; it returns %s", heard, withoutPackages.Replace(shown.String()))
	return d
}

func (*replay) decision(verb, text string) Decision {
	d, _ := time.ParseDuration(text)
	switch verb {
	case "ack":
		return Ack()
	case "extend":
		return Extend(d)
	case "requeue":
		return Requeue(d)
	case "release":
		return Release()
	case "deadletter":
		return DeadLetter(errors.New(text))
	case "pause":
		return PauseConsumer()
	}
	return Decision{}
}

// replayActor is a worker made by Actor.
type replayActor struct {
	*replay
	job ActorJob[simJob]
}

// Receive implements actor.Actor.
func (a *replayActor) Receive(ctx actor.Context) {
	switch msg := ctx.Message().(type) {
	case *actor.Started:
		verb, text, _ := strings.Cut(a.next(a.actors, a.job.ID(), "run"), " ")
		a.log.add(lineJob, "worker %s starts", a.job.ID())
		a.begin(ctx, verb, text)
	case *task.Outcome[any]:
		a.outcome(ctx, msg)
	case *replayTrip:
		verb, text, _ := strings.Cut(msg.what, " ")
		a.begin(ctx, verb, text)
	}
}

// replayTrip is posted when a worker has waited for what it does next.
type replayTrip struct{ what string }

// begin runs the task, and panics after it, as the script states.
func (a *replayActor) begin(ctx actor.Context, verb, text string) {
	if verb == "run" {
		err := a.job.Run(ctx, func(c context.Context) (any, error) { return a.Run(c, a.job.Payload()) })
		if err != nil {
			ctx.Stop(ctx.Self())
		}
		verb, text, _ = strings.Cut(text, " ")
	}
	if d, err := time.ParseDuration(verb); err == nil {
		process.SendAfter(ctx, d, &replayTrip{text})
		return
	}
	if verb == "block" {
		<-a.released
	}
	if verb == "panic" {
		a.log.add(lineJob, "worker %s panics: %s", a.job.ID(), text)
		panic(text)
	}
}

func (a *replayActor) outcome(ctx actor.Context, o *task.Outcome[any]) {
	id := a.job.ID()
	heard := fmt.Sprintf("worker %s gets its outcome: %s", id, statusText(o.Status, o.Reason))
	if a.next(a.asks, id, "") == "ignore" {
		a.log.add(lineJob, "%s; it ignores it", heard)
		return
	}
	d := DefaultDecision(a.job.Job, *o)
	a.log.add(lineJob, "%s; it settles: %s", heard, withoutPackages.Replace(d.String()))
	_ = a.job.Settle(d)
	ctx.Stop(ctx.Self())
}
