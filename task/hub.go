package task

import (
	"fmt"
	"time"

	"github.com/gentask/gentask/actor"
)

// life is one incarnation of a supervisor.
type life struct {
	sys    *actor.System
	hub    *actor.PID
	shares []*share
}

// hub is the supervisor's own actor: it spawns the partitions, and ends with them.
type hub struct {
	sup      *Supervisor
	life     *life
	stopping bool
	left     int
}

type ping struct{ answer func(struct{}) }

// Receive is one turn of the hub.
func (h *hub) Receive(ctx actor.Context) {
	switch msg := ctx.Message().(type) {
	case *actor.Started:
		h.start(ctx)
	case *ping:
		msg.answer(struct{}{})
	case *actor.StopRequest:
		h.stop(ctx)
	case *actor.Exited:
		h.exited(ctx, msg)
	case *actor.Stopping:
		h.refuse()
	case *actor.Stopped:
		h.sup.life.CompareAndSwap(h.life, nil)
	}
}

func (h *hub) start(ctx actor.Context) {
	actor.TrapStop(ctx)
	h.life = &life{sys: ctx.ActorSystem(), hub: ctx.Self()}
	for range h.sup.cfg.Partitions {
		h.life.shares = append(h.life.shares, h.spawn(ctx))
	}
	h.left = len(h.life.shares)
	if !h.sup.life.CompareAndSwap(nil, h.life) {
		actor.Exit(ctx, ErrRunning)
	}
}

func (h *hub) spawn(ctx actor.Context) *share {
	s := &share{sys: h.life.sys, count: h.sup.count, epoch: time.Now()}
	props := actor.FromProducer(func() actor.Actor { return &partition{share: s, grace: h.sup.cfg.Grace} })
	s.clock.fire = func() { s.send(&timeUp{}) }
	s.part = actor.Spawn(ctx, props, actor.SpawnOptions{Name: "partition", Monitor: true})
	s.name = s.part.Id + "/task"
	return s
}

func (h *hub) stop(ctx actor.Context) {
	if h.stopping {
		return
	}
	h.stopping = true
	h.refuse()
	for _, s := range h.life.shares {
		actor.Stop(h.life.sys, s.part)
	}
}

// refuse starts no further task, in any partition.
func (h *hub) refuse() {
	for _, s := range h.life.shares {
		s.close()
	}
}

// exited ends the hub with its last partition, or with the first that crashed. The tasks of that
// one have lost their supervisor, which only a restart of the whole can mend.
func (h *hub) exited(ctx actor.Context, e *actor.Exited) {
	if !h.stopping {
		actor.Exit(ctx, fmt.Errorf("task: partition %s: %w", e.PID.Id, e.Reason))
		return
	}
	if h.left--; h.left == 0 {
		actor.Exit(ctx, actor.ErrShutdown)
	}
}
