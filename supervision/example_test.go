package supervision_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/supervision"
)

// greeter returns a factory of children that say when they start and stop, and crash when they are
// told to.
func greeter(name string) func() *actor.Props {
	return func() *actor.Props {
		return actor.FromFunc(func(c actor.Context) {
			switch c.Message().(type) {
			case *actor.Started:
				fmt.Println(name, "starts")
			case *actor.Stopped:
				fmt.Println(name, "stops")
			case string:
				panic("told to")
			}
		})
	}
}

// A static supervisor starts its children in order, restarts a crashed one with those after it, and
// stops all in reverse.
func ExampleStatic() {
	ctx, sys := context.Background(), actor.NewSystem(actor.SystemConfig{})
	started := make(chan struct{}, 2) // buffered: a supervisor must not be blocked
	props, err := supervision.Static(supervision.Spec{
		Strategy:  supervision.RestForOne,
		Intensity: supervision.Intensity{Restarts: 3}, // in 5 s
		Children: []supervision.ChildSpec{
			{ID: "database", Props: greeter("database")},
			{ID: "cache", Props: greeter("cache")},
			{ID: "server", Props: greeter("server")},
		},
		OnEvent: func(e supervision.Event) {
			if e.ID == "server" && e.Kind == supervision.ChildStarted {
				started <- struct{}{}
			}
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	sup := actor.SpawnRoot(sys, props, "app")

	<-started
	children, err := supervision.Children(ctx, sys, sup)
	if err != nil {
		fmt.Println(err)
		return
	}
	actor.Send(sys, children[1].PID, "crash")
	<-started
	fmt.Println(actor.Shutdown(ctx, sys, sup))
	// Output:
	// database starts
	// cache starts
	// server starts
	// cache stops
	// server stops
	// cache starts
	// server starts
	// server stops
	// cache stops
	// database stops
	// actor: shutdown <nil>
}

// The children of a dynamic supervisor come and go. With an intensity for each, the one that keeps
// failing is given up alone.
func ExampleDynamic() {
	ctx, sys := context.Background(), actor.NewSystem(actor.SystemConfig{})
	props, err := supervision.Dynamic(supervision.DynamicSpec{
		ChildIntensity: &supervision.Intensity{Restarts: 2}, // in 5 s
		MaxChildren:    1000,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	sup := actor.SpawnRoot(sys, props, "workers")

	ended := make(chan *supervision.Ended)
	listener := actor.SpawnRoot(sys, actor.FromFunc(func(c actor.Context) {
		if m, ok := c.Message().(*supervision.Ended); ok {
			ended <- m
		}
	}), "listener")
	poison := func(c actor.Context) {
		switch c.Message().(type) {
		case *actor.Started:
			actor.Send(sys, c.Self(), "work")
		case string:
			panic("poison")
		}
	}
	_, err = supervision.StartChild(ctx, sys, sup, supervision.ChildSpec{
		ID:      "poison",
		Props:   func() *actor.Props { return actor.FromFunc(poison) },
		Restart: supervision.Transient,
		Notify:  listener,
	})
	m := <-ended
	fmt.Println(err, m.ID, m.Restarts, errors.Is(m.Reason, supervision.ErrIntensity))

	_, err = supervision.StartChild(ctx, sys, sup, supervision.ChildSpec{ID: "sound", Props: greeter("sound")})
	fmt.Println(err)
	_, err = actor.Shutdown(ctx, sys, sup)
	fmt.Println(err)
	// Output:
	// <nil> poison 2 true
	// sound starts
	// <nil>
	// sound stops
	// <nil>
}

// A function runs as a child, and is restarted as any other.
func ExampleFunc() {
	ctx, sys := context.Background(), actor.NewSystem(actor.SystemConfig{})
	runs := make(chan int, 2)
	run := 0
	poll := func(ctx context.Context) error {
		run++
		runs <- run
		if run == 1 {
			return errors.New("connection lost")
		}
		<-ctx.Done() // the supervisor stops
		return ctx.Err()
	}
	props, err := supervision.Static(supervision.Spec{
		Intensity: supervision.Intensity{Restarts: 3}, // in 5 s
		Children:  []supervision.ChildSpec{{ID: "poller", Props: supervision.Func(poll)}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	sup := actor.SpawnRoot(sys, props, "app")
	fmt.Println("run", <-runs)
	fmt.Println("run", <-runs)
	poller, err := supervision.Child(ctx, sys, sup, "poller")
	fmt.Println(poller.Restarts, poller.LastReason, err)
	fmt.Println(actor.Shutdown(ctx, sys, sup))
	// Output:
	// run 1
	// run 2
	// 1 connection lost <nil>
	// actor: shutdown <nil>
}

// A child that is not configured declines, and the others run without it.
func Example_decline() {
	ctx, sys := context.Background(), actor.NewSystem(actor.SystemConfig{})
	mailer := func(c actor.Context) {
		if _, ok := c.Message().(*actor.Started); ok {
			actor.Exit(c, fmt.Errorf("no SMTP server given: %w", supervision.ErrIgnore))
		}
	}
	props, err := supervision.Static(supervision.Spec{Children: []supervision.ChildSpec{
		{ID: "mailer", Props: func() *actor.Props { return actor.FromFunc(mailer) }},
		{ID: "server", Props: greeter("server")},
	}})
	if err != nil {
		fmt.Println(err)
		return
	}
	sup := actor.SpawnRoot(sys, props, "app")
	info, err := supervision.Child(ctx, sys, sup, "mailer")
	fmt.Println(info.State, info.LastReason, err)
	_, err = supervision.RestartChild(ctx, sys, sup, "mailer")
	fmt.Println(errors.Is(err, supervision.ErrIgnore))
	_, err = actor.Shutdown(ctx, sys, sup)
	fmt.Println(err)
	// Output:
	// server starts
	// Idle no SMTP server given: supervision: child declined to start <nil>
	// true
	// server stops
	// <nil>
}

// The tree below a supervisor, as text and as data.
func ExampleTree() {
	ctx, sys := context.Background(), actor.NewSystem(actor.SystemConfig{})
	idle := supervision.Func(func(ctx context.Context) error { <-ctx.Done(); return nil })
	workers, err := supervision.Dynamic(supervision.DynamicSpec{})
	if err != nil {
		fmt.Println(err)
		return
	}
	props, err := supervision.Static(supervision.Spec{Children: []supervision.ChildSpec{
		{ID: "database", Props: idle},
		{ID: "workers", Props: func() *actor.Props { return workers }, Shutdown: supervision.Infinity},
	}})
	if err != nil {
		fmt.Println(err)
		return
	}
	sup := actor.SpawnRoot(sys, props, "app")
	info, err := supervision.Child(ctx, sys, sup, "workers")
	if err != nil {
		fmt.Println(err)
		return
	}
	worker := supervision.ChildSpec{ID: "worker-1", Props: idle}
	if _, err = supervision.StartChild(ctx, sys, info.PID, worker); err != nil {
		fmt.Println(err)
		return
	}
	tree, err := supervision.Tree(ctx, sys, sup)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, child := range tree.Children {
		fmt.Print(child)
	}
	_, err = actor.Shutdown(ctx, sys, sup)
	fmt.Println(err)
	// Output:
	// database (worker): running
	// workers (dynamic): running
	// └── worker-1 (worker): running
	// <nil>
}
