package supervision

import (
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/internal/process"
)

// propsTime is how long a supervisor waits for [ChildSpec.Props], and for the producer in the
// Props. A start that takes longer has failed, with [ErrPropsStuck]; the supervisor serves no
// requests meanwhile. While other calls have not returned it waits for less, and while 1,000 have
// not, a start fails at once.
const propsTime = 5 * time.Second

const (
	// leastPropsTime is the least of propsTime that remains while other calls are stuck.
	leastPropsTime = 50 * time.Millisecond

	// maxStuck is how many calls may be stuck before a supervisor calls no Props.
	maxStuck = 1000
)

// midwife runs the user's code that makes an actor, on a goroutine of its own. A supervisor uses
// the same one for all spawns, until a call does not return. That one is left to its child.
type midwife struct {
	sys   *actor.System
	stuck *atomic.Int32
	aside *process.Aside
	timer *time.Timer
	over  chan struct{} // is sent to when a call is over; buffered
	run   func()        // is call, bound once

	// Of the current call:
	props func() *actor.Props
	opts  actor.SpawnOptions
	pid   *actor.PID
	err   error
	gone  bool // the producer has called runtime.Goexit

	mu   sync.Mutex
	done bool
	late bool // the supervisor has given the call up
}

func newMidwife(ctx actor.Context, stuck *atomic.Int32) *midwife {
	m := &midwife{sys: ctx.ActorSystem(), aside: process.NewAside(ctx), stuck: stuck, over: make(chan struct{}, 1)}
	m.timer = time.NewTimer(propsTime)
	m.run = m.call
	return m
}

// trySpawn runs user code: Props, and the producer in what it returns.
func (b *base) trySpawn(c *child, ready bool) error {
	if c.rare != nil && c.rare.midwife != nil {
		if !c.rare.midwife.isOver() {
			return fmt.Errorf("%w: nor has the call before", ErrPropsStuck)
		}
		c.rare.midwife = nil
	}
	if b.stuck.Load() >= maxStuck {
		return fmt.Errorf("%w: nor have %d other calls", ErrPropsStuck, maxStuck)
	}
	if b.midwife == nil {
		b.midwife = newMidwife(b.ctx, b.stuck)
	}
	m := b.midwife
	m.opts = actor.SpawnOptions{Name: c.spec.ID, Monitor: true, Ready: ready}
	if !m.spawn(c.spec.Props, b.patience(propsTime, leastPropsTime)) {
		c.more().midwife, b.midwife = m, nil
		return ErrPropsStuck
	}
	if m.gone {
		runtime.Goexit() // a producer takes its supervisor with it
	}
	pid, made, err := m.pid, m.aside.Born, m.err
	m.props, m.pid, m.aside.Born, m.err = nil, nil, nil, nil
	if err != nil {
		return err
	}
	m.aside.Adopt(b.ctx, pid)
	c.pid = pid
	_, c.nested = made.(interface{ supervises() })
	return nil
}

// spawn reports whether the call has returned in time.
func (m *midwife) spawn(props func() *actor.Props, limit time.Duration) bool {
	m.props, m.done = props, false
	m.stuck.Add(1)
	go m.run()
	m.timer.Reset(limit)
	defer m.timer.Stop()
	select {
	case <-m.over:
		return true
	case <-m.timer.C:
		return !m.giveUp()
	}
}

// isOver reports whether the call that was given up has returned.
func (m *midwife) isOver() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.done
}

// giveUp reports whether the call is not over. Then the call ends the actor that comes of it.
func (m *midwife) giveUp() bool {
	m.mu.Lock()
	m.late = !m.done
	m.mu.Unlock()
	if m.late {
		return true
	}
	<-m.over
	return false
}

func (m *midwife) call() {
	defer m.finish()
	returned, spawning := false, false
	defer func() {
		if reason := actor.Recovered(recover(), returned); reason != nil {
			m.err = reason
			_, exited := reason.(*actor.GoexitError) //nolint:errorlint // as Recovered makes it
			m.gone = exited && spawning
		}
	}()
	if props := m.props(); props != nil {
		spawning = true
		m.pid = actor.Spawn(m.aside, props, m.opts)
	} else {
		got, want := "a function that returned nil", "one that returns the child's Props"
		m.err = badField("ChildSpec.Props", got, want)
	}
	returned = true
}

// finish hands over the result of the call. It kills the actor of a call that was given up.
func (m *midwife) finish() {
	m.stuck.Add(-1)
	m.mu.Lock()
	m.done = true
	late := m.late
	m.mu.Unlock()
	m.over <- struct{}{}
	if late && m.pid != nil {
		actor.Kill(m.sys, m.pid)
	}
}
