package actor

import (
	"testing"

	pa "github.com/asynkron/protoactor-go/actor"
)

// BenchmarkSpawnStop compares what one short life costs: spawned, started, one message, stopped,
// and its end reported. Each waits for the end before the next begins.
func BenchmarkSpawnStop(b *testing.B) {
	sys := NewSystem(SystemConfig{})
	b.Run("default mailbox", func(b *testing.B) {
		ended := make(chan struct{})
		props := pa.PropsFromFunc(func(ctx Context) { stopAtMessage(ctx) })
		benchmarkChildren(b, sys, ended, func(ctx Context) { ctx.Send(ctx.Spawn(props), "stop") })
	})
	b.Run("our mailbox", func(b *testing.B) {
		ended := make(chan struct{})
		props := FromFunc(stopAtMessage)
		benchmarkChildren(b, sys, ended, func(ctx Context) { ctx.Send(Spawn(ctx, props, SpawnOptions{}), "stop") })
	})
	b.Run("our mailbox, monitored", func(b *testing.B) {
		ended := make(chan struct{})
		props := FromFunc(stopAtMessage)
		benchmarkChildren(b, sys, ended, func(ctx Context) {
			ctx.Send(Spawn(ctx, props, SpawnOptions{Monitor: true}), "stop")
		})
	})
}

func stopAtMessage(ctx Context) {
	if ctx.Message() == "stop" {
		ctx.Stop(ctx.Self())
	}
}

// benchmarkChildren has a parent spawn one child after another, and waits for the Terminated of
// each.
func benchmarkChildren(b *testing.B, sys *System, ended chan struct{}, spawn func(Context)) {
	parent := SpawnRoot(sys, FromFunc(func(ctx Context) {
		switch ctx.Message().(type) {
		case int:
			spawn(ctx)
		case *pa.Terminated:
			ended <- struct{}{}
		}
	}), "parent")
	b.ReportAllocs()
	for b.Loop() {
		Send(sys, parent, 1)
		<-ended
	}
	Stop(sys, parent)
}

// BenchmarkSend is one message through a mailbox that is busy.
func BenchmarkSend(b *testing.B) {
	sys := NewSystem(SystemConfig{})
	receive := func(done chan struct{}) ReceiveFunc {
		return func(ctx Context) {
			if ctx.Message() == "last" {
				close(done)
			}
		}
	}
	for name, spawn := range map[string]func(ReceiveFunc) *PID{
		"default mailbox": func(f ReceiveFunc) *PID { return sys.Root.Spawn(pa.PropsFromFunc(f)) },
		"our mailbox":     func(f ReceiveFunc) *PID { return SpawnRoot(sys, FromFunc(f), "actor") },
	} {
		b.Run(name, func(b *testing.B) {
			done := make(chan struct{})
			pid := spawn(receive(done))
			var msg any = "message"
			b.ReportAllocs()
			for b.Loop() {
				Send(sys, pid, msg)
			}
			Send(sys, pid, "last")
			<-done
			Stop(sys, pid)
		})
	}
}
