package actor

import (
	"sync"
	"sync/atomic"

	pa "github.com/asynkron/protoactor-go/actor"

	"github.com/gentask/gentask/internal/process"
)

// pool is what router.NewRoundRobinPool of protoactor-go makes, in as far as it lives and ends:
// package router needs a module that nothing else here needs. It is a process without a mailbox;
// its actor and the routees have no parent that could stop them.
type pool struct {
	sys      *System
	actor    *PID
	parent   *PID
	mu       sync.Mutex
	watchers pa.PIDSet
	stopping atomic.Bool
}

// poolProps returns Props of n routees.
func poolProps(n int, routee ReceiveFunc) *Props {
	spawn := func(sys *System, id string, props *Props, ctx pa.SpawnerContext) (*PID, error) {
		p := &pool{sys: sys, parent: ctx.Self()}
		pid, absent := sys.ProcessRegistry.Add(p, id)
		if !absent {
			return pid, pa.ErrNameExists
		}
		pc := *props
		pc.Configure(pa.WithSpawnFunc(nil))
		var started sync.WaitGroup
		started.Add(1)
		p.actor, _ = pa.DefaultSpawner(sys, id+"/router", pa.PropsFromFunc(func(ctx Context) {
			if _, ok := ctx.Message().(*Started); ok {
				for range n {
					ctx.Spawn(&pc)
				}
				started.Done()
			}
		}), ctx)
		started.Wait()
		return pid, nil
	}
	return pa.PropsFromFunc(routee, pa.WithSpawnFunc(spawn))
}

func (p *pool) SendUserMessage(pid *PID, msg any) {
	if _, ok := msg.(*pa.PoisonPill); ok {
		p.Stop(pid)
	}
}

func (p *pool) SendSystemMessage(pid *PID, msg any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch msg := msg.(type) {
	case *pa.Watch:
		p.watchers.Add(msg.Watcher)
	case *pa.Unwatch:
		p.watchers.Remove(msg.Watcher)
	case *pa.Stop:
		p.watchers.ForEach(func(_ int, w *PID) { process.System(p.sys, w, &pa.Terminated{Who: pid}) })
		process.System(p.sys, p.parent, &pa.Terminated{Who: pid})
	default:
		process.System(p.sys, p.actor, msg)
	}
}

func (p *pool) Stop(pid *PID) {
	if p.stopping.Swap(true) {
		return
	}
	_ = p.sys.Root.StopFuture(p.actor).Wait()
	p.sys.ProcessRegistry.Remove(pid)
	p.SendSystemMessage(pid, &pa.Stop{})
}
