package actor

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	pa "github.com/asynkron/protoactor-go/actor"
	"pgregory.net/rapid"

	"github.com/gentask/gentask/internal/process"
)

// move is one thing that a family lives through. The field Who picks a child, if there are any.
type move struct {
	What string
	Who  int
	Slow time.Duration
}

var moves = []string{"spawn", "spawn same", "pool", "stop", "kill", "crash", "watch", "forge", "abandon", "sleep"}

// kid is a child of the model test, which traps its stops.
type kid struct {
	pid           *PID
	slow          time.Duration
	asked         int // stops that the test has asked for
	told          int // stops that it was told
	gone          bool
	abandoned     bool
	killed        bool
	grandchildren []*PID
}

// family is a parent whose children come and go in all ways.
type family struct {
	mu      sync.Mutex
	sys     *System
	kids    []*kid
	newborn int // children that are still to be spawned while the parent stops
	wrong   string
}

// receive is the parent.
func (f *family) receive(ctx Context) {
	switch m := ctx.Message().(type) {
	case move:
		f.make(ctx, m)
	case *Stopping, *pa.Terminated:
		if f.newborn > 0 {
			f.newborn--
			f.spawn(ctx, "", time.Second)
		}
	case *Stopped:
		f.mu.Lock()
		defer f.mu.Unlock()
		for _, k := range f.kids {
			if !k.gone && !k.abandoned {
				f.wrong = fmt.Sprintf("the parent ended before its child %s", k.pid.Id)
			}
		}
	case string:
		panic(m)
	}
}

func (f *family) spawn(ctx Context, name string, slow time.Duration) {
	k := &kid{slow: slow}
	props := FromFunc(func(ctx Context) { f.kid(ctx, k) })
	if name == "" {
		k.pid = Spawn(ctx, props, SpawnOptions{})
	} else if pid, err := ctx.SpawnNamed(props, name); err == nil {
		k.pid = pid
	} else {
		return // the one before lives
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.kids = append(f.kids, k)
}

// kid is a child.
func (f *family) kid(ctx Context, k *kid) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch m := ctx.Message().(type) {
	case *Started:
		TrapStop(ctx)
		for range 2 {
			k.grandchildren = append(k.grandchildren, Spawn(ctx, FromFunc(func(Context) {}), SpawnOptions{}))
		}
	case *StopRequest:
		if k.told++; k.told == 1 {
			process.SendAfter(ctx, k.slow, "exit")
		}
	case string:
		Exit(ctx, nil)
	case error:
		panic(m)
	case *Stopped:
		k.gone = true
	}
}

func (f *family) make(ctx Context, m move) {
	switch m.What {
	case "spawn":
		f.spawn(ctx, "", m.Slow)
	case "spawn same":
		if f.free() {
			f.spawn(ctx, "same", m.Slow)
		}
	case "pool":
		ctx.Spawn(poolProps(2, func(Context) {}))
	default:
		if len(f.kids) > 0 {
			f.treat(ctx, m.What, f.kids[m.Who%len(f.kids)])
		}
	}
}

// free reports whether all children are gone that had the name; their ends may still be on the way
// to the parent.
func (f *family) free() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, k := range f.kids {
		if !k.gone && strings.HasSuffix(k.pid.Id, "/same") {
			return false
		}
	}
	return true
}

func (f *family) treat(ctx Context, what string, k *kid) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if k.gone && (what == "stop" || what == "kill" || what == "crash" || what == "abandon") {
		return // another child may have its name
	}
	switch what {
	case "stop":
		k.asked++
		Stop(f.sys, k.pid)
	case "kill":
		k.killed = true
		Kill(f.sys, k.pid)
	case "crash":
		k.killed = true
		Send(f.sys, k.pid, errBoom)
	case "watch":
		for _, pid := range append(k.grandchildren, k.pid) {
			ctx.Watch(pid)
		}
	case "forge":
		process.System(f.sys, ctx.Self(), &pa.Terminated{Who: k.pid})
		for _, pid := range k.grandchildren {
			process.System(f.sys, ctx.Self(), &pa.Terminated{Who: pid})
		}
	case "abandon":
		k.abandoned, k.killed = true, true
		Kill(f.sys, k.pid)
		process.Abandon(ctx, k.pid)
	}
}

// TestAParentOutlivesItsChildrenWhateverHappens before, and stops each of them once.
func TestAParentOutlivesItsChildrenWhateverHappens(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		script := rapid.SliceOfN(rapid.Custom(func(rt *rapid.T) move {
			return move{
				What: rapid.SampledFrom(moves).Draw(rt, "what"), Who: rapid.IntRange(0, 20).Draw(rt, "who"),
				Slow: time.Duration(rapid.IntRange(0, 3).Draw(rt, "slow")) * time.Second,
			}
		}), 0, 30).Draw(rt, "script")
		newborn, crash := rapid.IntRange(0, 3).Draw(rt, "newborn"), rapid.Bool().Draw(rt, "crash")
		if wrong := liveThrough(t, script, newborn, crash); wrong != "" {
			rt.Fatal(wrong)
		}
	})
}

// liveThrough returns what went wrong, or "".
func liveThrough(t *testing.T, script []move, newborn int, crash bool) string {
	f := &family{}
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, SystemConfig{})
		f.sys = l.sys
		before := l.processes()
		pid := l.spawn(FromFunc(f.receive), SpawnOptions{Monitor: true})
		for _, m := range script {
			if m.What == "sleep" {
				time.Sleep(m.Slow)
				continue
			}
			Send(l.sys, pid, m)
			if m.Who%2 == 0 {
				synctest.Wait()
			}
		}
		synctest.Wait()
		f.newborn = newborn
		if crash {
			Send(l.sys, pid, "boom")
		} else {
			Stop(l.sys, pid)
		}
		_ = l.exited(pid)
		time.Sleep(time.Minute)
		synctest.Wait()
		f.check(l.processes() - before)
		_ = l.shutdown(l.parent)
		time.Sleep(2 * time.Second)
	})
	return f.wrong
}

func (f *family) check(left int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if left != 0 && f.wrong == "" {
		f.wrong = fmt.Sprintf("%d processes are left", left)
	}
	for _, k := range f.kids {
		if k.told > k.asked+1 || !k.killed && k.asked == 0 && k.told != 1 {
			f.wrong = fmt.Sprintf("child %s was told to stop %d times, and asked %d times", k.pid.Id, k.told, k.asked)
		}
	}
}
