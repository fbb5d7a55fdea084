package lease

import (
	"context"
	"sync"
)

// observers wait for the end of the leases of other programs that have units, while this one is
// hungry. The mutex of its share guards it, apart from end.
type observers struct {
	keeper *Keeper
	stir   func()
	work   sync.WaitGroup

	mu   sync.Mutex
	all  map[string]context.CancelFunc
	void map[string]bool // leases that are over
}

// clear removes the parts of leases that are over.
func (o *observers) clear(p parts) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for id := range o.void {
		if _, found := p[id]; !found {
			delete(o.void, id) // it was removed
		}
		delete(p, id)
	}
}

// follow observes the other leases in p if the program me is hungry, and none if it isn't.
func (o *observers) follow(p parts, me string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for id := range p {
		if id != me && id != freeUnits && o.all[id] == nil && p[me].Hungry {
			o.observe(id)
		}
	}
	for id, stop := range o.all {
		if _, found := p[id]; !found || !p[me].Hungry {
			stop()
			delete(o.all, id)
		}
	}
}

func (o *observers) observe(id string) {
	ctx, stop := context.WithCancel(o.keeper.life)
	o.all[id] = stop
	one := o.keeper.observe(id)
	o.work.Go(func() {
		defer stop()
		err := one.untilVoid(ctx)
		o.mu.Lock()
		defer o.mu.Unlock()
		if err == nil {
			o.void[id] = true
			o.stir()
		}
		if ctx.Err() == nil {
			delete(o.all, id) // it may be observed again
		}
	})
}

// end ends all observers.
func (o *observers) end() {
	o.mu.Lock()
	for _, stop := range o.all {
		stop()
	}
	o.mu.Unlock()
	o.work.Wait()
}
