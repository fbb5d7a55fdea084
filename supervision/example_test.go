package supervision_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/supervision"
)

// greeter returns a factory of children that say when they start and stop, and crash when they are told to.
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

// A static supervisor starts its children in order, restarts a crashed one with those after it, and stops all in reverse.
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
	report, err := supervision.Stop(ctx, sys, sup)
	fmt.Println(report.Reason, len(report.Abandoned), err)
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
	// actor: shutdown 0 <nil>
}

// A dynamic supervisor is sent its children. With an intensity for each, the one that keeps failing is given up alone.
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
		if _, ok := c.Message().(*actor.Started); ok {
			panic("poison")
		}
	}
	actor.Send(sys, sup, &supervision.StartRequest{Spec: supervision.ChildSpec{
		ID:      "poison",
		Props:   func() *actor.Props { return actor.FromFunc(poison) },
		Restart: supervision.Transient,
		Notify:  listener,
	}})
	m := <-ended
	fmt.Println(m.ID, m.Restarts, errors.Is(m.Reason, supervision.ErrIntensity))

	_, err = supervision.StartChild(ctx, sys, sup, supervision.ChildSpec{ID: "sound", Props: greeter("sound")})
	fmt.Println(err)
	_, err = supervision.Stop(ctx, sys, sup)
	fmt.Println(err)
	// Output:
	// poison 2 true
	// sound starts
	// <nil>
	// sound stops
	// <nil>
}
