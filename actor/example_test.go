package actor_test

import (
	"context"
	"fmt"
	"time"

	"github.com/gentask/gentask/actor"
)

// An actor is a receive function. It crashes alone, and its monitors get the reason.
func Example() {
	sys := actor.NewSystem(actor.SystemConfig{})
	divider := actor.FromFunc(func(ctx actor.Context) {
		if n, ok := ctx.Message().(int); ok {
			fmt.Println(12 / n)
		}
	})
	over := make(chan struct{})
	actor.SpawnRoot(sys, actor.FromFunc(func(ctx actor.Context) {
		switch m := ctx.Message().(type) {
		case *actor.Started:
			child := actor.Spawn(ctx, divider, actor.SpawnOptions{Name: "divider", Monitor: true})
			actor.Send(sys, child, 4)
			actor.Send(sys, child, 0)
		case *actor.Exited:
			fmt.Println(m.Reason)
			actor.Exit(ctx, nil)
		case *actor.Stopped:
			close(over)
		}
	}), "parent")
	<-over
	// Output:
	// 3
	// panic: runtime error: integer divide by zero
}

type question struct {
	n      int
	answer func(int)
}

func ExampleAsk() {
	ctx, sys := context.Background(), actor.NewSystem(actor.SystemConfig{})
	doubler := actor.SpawnRoot(sys, actor.FromFunc(func(ctx actor.Context) {
		if q, ok := ctx.Message().(question); ok {
			q.answer(2 * q.n)
		}
	}), "doubler")

	double := func(n int) (int, error) {
		return actor.Ask(ctx, sys, doubler, func(answer func(int)) any { return question{n, answer} })
	}
	fmt.Println(double(21))
	fmt.Println(actor.Shutdown(ctx, sys, doubler))
	fmt.Println(double(21))
	// Output:
	// 42 <nil>
	// actor: shutdown <nil>
	// 0 actor: no such actor
}

// greeting is what a greeter takes.
type greeting struct {
	name   string
	answer func(string)
}

func ExampleRef() {
	ctx, sys := context.Background(), actor.NewSystem(actor.SystemConfig{})
	greeter := actor.RefTo[greeting](sys, actor.SpawnRoot(sys, actor.FromFunc(func(ctx actor.Context) {
		if g, ok := ctx.Message().(greeting); ok {
			g.answer("hello " + g.name)
		}
	}), "greeter"))

	// greeter.Tell("hello") does not compile.
	fmt.Println(actor.AskRef(ctx, greeter, func(answer func(string)) greeting { return greeting{"anna", answer} }))
	// Output: hello anna <nil>
}

func ExampleStartTimer() {
	sys := actor.NewSystem(actor.SystemConfig{})
	over := make(chan struct{})
	actor.SpawnRoot(sys, actor.FromFunc(func(ctx actor.Context) {
		switch m := ctx.Message().(type) {
		case *actor.Started:
			actor.StartTimer(ctx, "alarm", time.Minute, "too late")
			actor.StartTimer(ctx, "alarm", time.Millisecond, "wake up") // takes the place of the other
		case string:
			fmt.Println(m)
			actor.Exit(ctx, nil)
		case *actor.Stopped:
			close(over)
		}
	}), "sleeper")
	<-over
	// Output: wake up
}

func ExampleStartTicker() {
	sys := actor.NewSystem(actor.SystemConfig{})
	over := make(chan struct{})
	n := 0
	actor.SpawnRoot(sys, actor.FromFunc(func(ctx actor.Context) {
		switch m := ctx.Message().(type) {
		case *actor.Started:
			actor.StartTicker(ctx, "beat", 10*time.Millisecond, "tick")
		case string:
			fmt.Println(m)
			if n++; n == 3 {
				actor.Exit(ctx, nil) // and the ticker with it
			}
		case *actor.Stopped:
			close(over)
		}
	}), "clock")
	<-over
	// Output:
	// tick
	// tick
	// tick
}
