package main

import (
	"context"
	"log/slog"
	"runtime"
	"sync/atomic"

	pa "github.com/asynkron/protoactor-go/actor"
)

// barePair is protoactor as it comes: a supervisor spawns a worker actor for each message, which
// spawns a task actor, and gets its end. No queue, no settlement, no timeout, no recovery. The
// messages lie in memory as they do for the other side, so that the collector has as much to look
// after.
func barePair(ctx context.Context, t *trial) error {
	msgs := t.tally.messages(small)
	sys := newPairSystem()
	defer sys.Shutdown()
	slots := make(chan struct{}, inFlight)
	var number atomic.Uint64 // in place of a body: nothing is made for each job but the two actors
	worker := pairWorker(func() { t.tally.ranNumber(number.Add(1) - 1) }, func() { <-slots })
	sup := sys.Root.Spawn(pa.PropsFromFunc(func(c pa.Context) {
		if _, ok := c.Message().(struct{}); ok {
			c.Spawn(pa.PropsFromProducer(worker))
		}
	}))
	t.begin()
	for range msgs {
		slots <- struct{}{}
		sys.Root.Send(sup, struct{}{})
	}
	for range inFlight {
		slots <- struct{}{} // until the last worker has stopped
	}
	t.end()
	runtime.KeepAlive(msgs)
	if err := sys.Root.StopFuture(sup).Wait(); err != nil {
		return err
	}
	return t.tally.check()
}

// pairWorker is a worker that runs run in a task of its own and calls ended when it has stopped
// itself.
func pairWorker(run, ended func()) pa.Producer {
	task := func() pa.Actor {
		return pa.ReceiveFunc(func(c pa.Context) {
			if _, ok := c.Message().(*pa.Started); ok {
				run()
				c.Stop(c.Self())
			}
		})
	}
	return func() pa.Actor {
		return pa.ReceiveFunc(func(c pa.Context) {
			switch c.Message().(type) {
			case *pa.Started:
				c.Spawn(pa.PropsFromProducer(task))
			case *pa.Terminated:
				c.Stop(c.Self())
			case *pa.Stopped:
				ended()
			}
		})
	}
}

func newPairSystem() *pa.ActorSystem {
	return pa.NewActorSystem(pa.WithLoggerFactory(func(*pa.ActorSystem) *slog.Logger { return slog.New(slog.DiscardHandler) }))
}
