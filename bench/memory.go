package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"sync/atomic"

	pa "github.com/asynkron/protoactor-go/actor"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/bench/result"
)

const (
	// elixirHeld is the resident memory of one job in flight in the Elixir original, in bytes. It
	// is a figure, not measured here.
	elixirHeld = 6_912

	// holdEnv makes this program a child that measures one side and prints a held.
	holdEnv = "GENTASK_BENCH_HOLD"
)

// inMemory is what 100,000 jobs take that block, all included: messages, ledger, workers, tasks,
// goroutines and their stacks. Each side is measured in a process of its own, since a process never
// gives back the descriptors of goroutines that it once had.
func inMemory(o options) []comparison {
	held := []result.Unit{result.Held}
	cases := []comparison{
		{
			name: "100000 blocked jobs", peer: "protoactor pair", ours: inChild("gentask"), theirs: inChild("pair"),
			claims: []claim{{unit: result.Held, target: 0.6}}, record: held,
		},
		{
			name: "100000 blocked jobs", peer: "Elixir original, a figure", ours: inChild("gentask"),
			claims: []claim{{unit: result.Held, target: 0.67, given: elixirHeld}},
		},
		{name: "100000 blocked jobs", peer: "goroutine", ours: inChild("gentask"), theirs: inChild("goroutine"), record: held},
	}
	return o.sized().each("memory", 100_000, 1_000, cases)
}

// inChild runs this program once more, to hold t.jobs jobs.
func inChild(who string) side {
	return func(ctx context.Context, t *trial) error {
		program, err := os.Executable()
		if err != nil {
			return err
		}
		cmd := exec.CommandContext(ctx, program)
		cmd.Env = append(os.Environ(), holdEnv+"="+who+" "+strconv.Itoa(t.jobs))
		cmd.Stderr = os.Stderr
		t.begin()
		out, err := cmd.Output()
		t.end()
		if err != nil {
			return err
		}
		return json.Unmarshal(out, &t.sample.held)
	}
}

// hold is the child: it prints the bytes in use for each job.
func hold(ctx context.Context, what string) error {
	var who string
	var jobs int
	if _, err := fmt.Sscan(what, &who, &jobs); err != nil {
		return fmt.Errorf("%s is %q; want a side and a number of jobs: %w", holdEnv, what, err)
	}
	h := &holder{jobs: jobs, release: make(chan struct{}), before: inUse()}
	var err error
	switch who {
	case "gentask":
		err = h.consumer(ctx)
	case "pair":
		err = h.pairs()
	case "goroutine":
		h.goroutines()
	default:
		return fmt.Errorf("%s: no such side: %q", holdEnv, who)
	}
	return errors.Join(err, json.NewEncoder(os.Stdout).Encode(h.held))
}

// holder holds jobs until all run, measures, and lets them go.
type holder struct {
	jobs    int
	before  uint64
	release chan struct{}
	held    float64
}

// inUse is the memory in use, after two collections: the first may leave what finalizers hold.
func inUse() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc + m.StackInuse
}

// measure is called when all jobs run.
func (h *holder) measure() {
	h.held = float64(inUse()-h.before) / float64(h.jobs)
	close(h.release)
}

func (h *holder) consumer(ctx context.Context) error {
	t := &trial{jobs: h.jobs, tally: newTally(h.jobs)}
	running := newTally(h.jobs)
	h.before = inUse() // the tallies are no part of it
	q := newMemory(t)
	defer q.Close()
	if err := q.Publish(ctx, t.tally.messages(small)...); err != nil {
		return err
	}
	go func() {
		<-running.allRan
		h.measure()
	}()
	err := consumeAll(ctx, t, q, patient(h.jobs), gentask.Handle(func(_ context.Context, body []byte) error {
		running.ran(body)
		<-h.release
		t.tally.ran(body)
		return nil
	}))
	if err := errors.Join(err, t.tally.check()); err != nil {
		return err
	}
	return checkMemory(q)
}

// pairs is the bare protoactor pair, without messages: there is no queue that could hold them.
func (h *holder) pairs() error {
	running := newTally(h.jobs)
	h.before = inUse()
	sys := newPairSystem()
	defer sys.Shutdown()
	var number atomic.Uint64
	worker := pairWorker(func() {
		running.ranNumber(number.Add(1) - 1)
		<-h.release
	}, func() {})
	sup := sys.Root.Spawn(pa.PropsFromFunc(func(c pa.Context) {
		if _, ok := c.Message().(struct{}); ok {
			c.Spawn(pa.PropsFromProducer(worker))
		}
	}))
	for range h.jobs {
		sys.Root.Send(sup, struct{}{})
	}
	<-running.allRan
	h.measure()
	return sys.Root.StopFuture(sup).Wait()
}

// goroutines is the least there is: a goroutine for each job.
func (h *holder) goroutines() {
	running := newTally(h.jobs)
	h.before = inUse()
	for i := range h.jobs {
		go func() {
			running.ranNumber(uint64(i))
			<-h.release
		}()
	}
	<-running.allRan
	h.measure()
}
