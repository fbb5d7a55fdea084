package main

import (
	"context"
	"errors"
	"os/exec"
	"sync/atomic"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/bench/result"
	"github.com/gentask/gentask/isolate"
	"github.com/gentask/gentask/isolate/wasm"
	"github.com/gentask/gentask/task"
)

const (
	isolatedChildren = 2
	isolatedFlight   = 6       // jobs at a time: some wait for a child
	isolatedBody     = 1 << 20 // bytes of a large body
	isolatedRate     = 20_000  // the target of no-op jobs in a second
	isolatedLarge    = 100     // the target of large bodies in a second, each way
)

// isolation is all that is measured of package isolate.
func isolation(o options) []measurement {
	return append(compared(isolated)(o),
		overhead{jobs: o.most(20_000, 100)}, replacement{deaths: o.most(50, 3)})
}

// isolated are jobs in child processes, no-ops and large bodies that are answered as they are, and
// no-ops by a WebAssembly module.
func isolated(o options) []comparison {
	cases := []comparison{
		{
			name: "no-op/2 children", peer: "the target, a figure", ours: inChildren,
			claims: []claim{{unit: result.Rate, target: 1, given: isolatedRate}},
			record: []result.Unit{result.Rate, result.Processor, result.Bytes, result.Allocs},
		},
		{name: "no-op/2 children", peer: "the same in the parent", ours: inChildren, theirs: inParent},
		{
			name: "no-op/2 children", peer: "a process for each job", ours: inChildren, theirs: execEach,
			claims: []claim{{unit: result.Rate, target: 10}}, jobs: 2_000,
		},
		{
			name: "1 MiB there and back/2 children", peer: "the target, a figure", ours: largeInChildren, jobs: 1_000,
			claims: []claim{{unit: result.Rate, target: 1, given: isolatedLarge}}, record: []result.Unit{result.Rate},
		},
		{name: "no-op/WebAssembly", peer: "the same in the parent", ours: inGuests, theirs: inParent},
		{name: "no-op/WebAssembly", peer: "2 children", ours: inGuests, theirs: inChildren},
		{name: "no-op/WebAssembly", peer: "a process for each job", ours: inGuests, theirs: execEach, jobs: 2_000},
	}
	return o.each("isolate", 50_000, 200, cases)
}

// echo answers in a child what it gets, if that is large. In the parent it counts.
type echo struct{ trial atomic.Pointer[trial] }

// Run implements isolate.Worker.
func (*echo) Run(_ context.Context, body []byte) ([]byte, error) {
	if len(body) < isolatedBody {
		return nil, nil
	}
	return body, nil
}

// HandleResult implements isolate.Worker.
func (e *echo) HandleResult(job gentask.Job[gentask.Raw], o task.Outcome[[]byte]) gentask.Decision {
	if o.Status == task.OK {
		e.trial.Load().tally.ran(job.Body())
	}
	return gentask.Decision{}
}

var (
	echoes   = &echo{}
	children = isolate.Work("echo", echoes, isolate.Config{Children: isolatedChildren})
)

func inChildren(ctx context.Context, t *trial) error {
	echoes.trial.Store(t)
	return fromMemory(isolatedFlight, small, func(*trial) gentask.Behavior { return children })(ctx, t)
}

// noOpModule is a command that does nothing.
const noOpModule = "\x00asm\x01\x00\x00\x00" + // the version
	"\x01\x04\x01\x60\x00\x00" + // a type without parameters and results
	"\x03\x02\x01\x00" + // a function of it
	"\x05\x03\x01\x00\x01" + // a memory of a page
	"\x07\x0a\x01\x06_start\x00\x00" + // the function is _start
	"\x0a\x04\x01\x02\x00\x0b" // and ends

// inGuests runs each job in an instance of a WebAssembly module.
func inGuests(ctx context.Context, t *trial) error {
	return fromMemory(isolatedFlight, small, func(t *trial) gentask.Behavior {
		return wasm.Work([]byte(noOpModule), func(job gentask.Job[gentask.Raw], o task.Outcome[[]byte]) gentask.Decision {
			if o.Status == task.OK {
				t.tally.ran(job.Body())
			}
			return gentask.Decision{}
		}, wasm.Config{})
	})(ctx, t)
}

func largeInChildren(ctx context.Context, t *trial) error {
	echoes.trial.Store(t)
	q := newMemory(t)
	defer q.Close()
	if err := q.Publish(ctx, t.tally.messages(isolatedBody)...); err != nil {
		return err
	}
	err := consumeAll(ctx, t, q, gentask.Config{Concurrency: isolatedChildren}, children)
	return errors.Join(err, t.tally.check(), checkMemory(q))
}

func inParent(ctx context.Context, t *trial) error {
	return fromMemory(isolatedFlight, small, noOp)(ctx, t)
}

// execEach starts a program for each job, as those do that have no pool.
func execEach(ctx context.Context, t *trial) error {
	return fromMemory(isolatedChildren, small, func(t *trial) gentask.Behavior {
		return gentask.Handle(func(ctx context.Context, body []byte) error {
			t.tally.ran(body)
			return exec.CommandContext(ctx, "/bin/true").Run()
		})
	})(ctx, t)
}
