package actor

import (
	"context"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestSmoke(t *testing.T) {
	sys := NewSystem(SystemConfig{})
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	for _, c := range []struct {
		name string
		f    ReceiveFunc
		ok   func(error) bool
	}{
		{"exit nil", func(c Context) {
			if _, ok := c.Message().(string); ok {
				Exit(c, nil)
			}
		}, func(e error) bool { return e == nil }},
		{"panic", func(c Context) {
			if _, ok := c.Message().(string); ok {
				panic("x")
			}
		}, func(e error) bool { return Stack(e) != "" }},
		{"goexit", func(c Context) {
			if _, ok := c.Message().(string); ok {
				runtime.Goexit()
			}
		}, func(e error) bool { return Stack(e) != "" }},
		{"stop panic", func(c Context) {
			switch c.Message().(type) {
			case string:
				Exit(c, ErrUnknown)
			case *Stopping:
				panic("stopping")
			case *Stopped:
				runtime.Goexit()
			}
		}, func(e error) bool { return e == ErrUnknown }},
	} {
		got := make(chan *Exited, 1)
		parent := SpawnRoot(sys, FromFunc(func(ctx Context) {
			switch m := ctx.Message().(type) {
			case *Started:
				p := Spawn(ctx, FromFunc(c.f), SpawnOptions{Name: "kid", Monitor: true, Ready: true})
				Send(sys, p, "go")
			case *Exited:
				got <- m
			}
		}), "parent")
		select {
		case e := <-got:
			t.Log(c.name, e.PID, e.Reason)
			require.True(t, c.ok(e.Reason), c.name)
		case <-ctx.Done():
			t.Fatal("hang", c.name)
		}
		reason, err := Shutdown(ctx, sys, parent)
		require.NoError(t, err)
		require.ErrorIs(t, reason, ErrShutdown)
	}
}
