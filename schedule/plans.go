package schedule

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/gentask/gentask/internal/guard"
	"github.com/gentask/gentask/queue"
)

// Plans are plans in a store, which operators and programs change at run time. All nodes follow
// them: see [Config.Stored]. Use [OpenPlans] to make one. Its methods are safe for concurrent use,
// and return the errors of the store beside their own.
type Plans struct {
	store  queue.Store
	prefix string
}

// StoredPlan is a plan in a store.
type StoredPlan struct {
	Plan

	// Paused reports whether the plan rests.
	Paused bool

	// Changed is the time of the last change, by the clock of the program that made it. Planned
	// times before it are not those of the plan.
	Changed time.Time

	// Next is the next planned time. It is zero if the plan is paused or can't be read.
	Next time.Time

	// Last is the planned time that was fired last. It is zero if there is none, or none is known.
	Last time.Time

	// Asked is when [Plans.RunNow] was called last. It is zero if it never was.
	Asked time.Time

	// Err is why this program can't run the plan; nil if it can. It wraps [queue.ErrUnknown] if a
	// newer program has written the plan. Then only its name is known.
	Err error
}

// maxSet is the most bytes of the name of a set of plans.
const maxSet = 50

// OpenPlans returns the set of plans of that name in a store, such as that of a fleet's broker. The
// name is 1 to 50 letters, digits, hyphens and underscores: the error wraps [queue.ErrConfig]
// otherwise. The set may be empty. Plans that go to different queues need sets of their own. The
// store stays the caller's to close.
func OpenPlans(store queue.Store, name string) (*Plans, error) {
	if store == nil {
		return nil, badConfig("the store of OpenPlans", "nil", "that of NATS, PostgreSQL or an embedded broker")
	}
	if len(name) > maxSet || name == "" || queue.EncodeKey(name) != name {
		return nil, badConfig("the name of OpenPlans", fmt.Sprintf("%.80q", name),
			"1 to 50 letters, digits, hyphens and underscores")
	}
	return &Plans{store: store, prefix: "schedule." + name}, nil
}

// Put adds a plan, or replaces the one with its name. It validates the plan as [Run] does, with an
// error that wraps [queue.ErrConfig]. To put the same plan again changes nothing, so every node may
// do it at its start. A plan that is paused stays paused.
//
// The nodes run the new plan within moments, and those that are cut off or down when they are back.
// The new plan has planned times from now on. A firing of the old one that is under way still
// comes.
//
// Put returns an error that wraps [queue.ErrUnknown] if a newer program has written the plan with
// this name: to replace it, remove it.
func (p *Plans) Put(ctx context.Context, plan Plan) error {
	fresh, err := newRecord(plan)
	if err != nil {
		return err
	}
	return p.change(ctx, plan.Name, func(old *planRecord) (*planRecord, error) {
		if old == nil {
			return fresh, nil
		}
		if old.same(fresh) {
			return nil, nil //nolint:nilnil // nothing to write
		}
		replaced := *fresh
		replaced.Since, replaced.Paused = old.Since, old.Paused
		return &replaced, nil
	})
}

// Pause makes a plan rest until [Plans.Resume]. A firing that waits for the broker is given up.
// Planned times that pass meanwhile are left out, also with [Latest]. To pause a paused plan
// changes nothing. The error wraps [queue.ErrNoRecord] if there is no such plan.
func (p *Plans) Pause(ctx context.Context, name string) error { return p.pause(ctx, name, true) }

// Resume ends a [Plans.Pause]. Its errors are the same.
func (p *Plans) Resume(ctx context.Context, name string) error { return p.pause(ctx, name, false) }

func (p *Plans) pause(ctx context.Context, name string, paused bool) error {
	return p.change(ctx, name, func(old *planRecord) (*planRecord, error) {
		if old == nil {
			return nil, fmt.Errorf("schedule: plan %q: %w", name, queue.ErrNoRecord)
		}
		if old.Paused == paused {
			return nil, nil //nolint:nilnil // nothing to write
		}
		changed := *old
		changed.Paused, changed.Changed = paused, time.Now().UTC()
		return &changed, nil
	})
}

// change replaces the record of a plan by what f makes of it: nil for a plan that is not there. It
// does nothing if f returns nil.
func (p *Plans) change(ctx context.Context, name string, f func(old *planRecord) (*planRecord, error)) error {
	key := p.planKey(name)
	for {
		old, revision, err := p.get(ctx, key)
		if err != nil {
			return fmt.Errorf("schedule: plan %q: %w", name, err)
		}
		changed, err := f(old)
		if err != nil || changed == nil {
			return err
		}
		value, err := changed.encode()
		if err != nil {
			return err
		}
		_, err = p.store.Put(ctx, key, value, revision, 0)
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil || !guard.Is(err, queue.ErrConflict) && !guard.Is(err, queue.ErrUncertain):
			return fmt.Errorf("schedule: plan %q: %w", name, err)
		}
	}
}

// get returns the record of a plan and its revision, and nil with [queue.Absent] if there is none.
func (p *Plans) get(ctx context.Context, key string) (*planRecord, queue.Revision, error) {
	record, err := p.store.Get(ctx, key)
	if guard.Is(err, queue.ErrNoRecord) {
		return nil, queue.Absent, nil
	}
	if err != nil {
		return nil, 0, err
	}
	r, err := decodePlan(record.Value)
	return r, record.Revision, err
}

// Remove removes a plan. A firing that waits for the broker is given up. The error wraps
// [queue.ErrNoRecord] if there is no such plan.
func (p *Plans) Remove(ctx context.Context, name string) error {
	key := p.planKey(name)
	_, err := p.store.Get(ctx, key)
	if err == nil {
		err = errors.Join(p.delete(ctx, key), p.delete(ctx, p.firedKey(name)), p.delete(ctx, p.askedKey(name)))
	}
	if err != nil {
		return fmt.Errorf("schedule: plan %q: %w", name, err)
	}
	return nil
}

// delete deletes a record, however often the answer is lost.
func (p *Plans) delete(ctx context.Context, key string) error {
	for {
		err := p.store.Delete(ctx, key, queue.Always)
		if ctx.Err() != nil || !guard.Is(err, queue.ErrUncertain) {
			return err
		}
	}
}

// List returns the plans in the order of their names. It waits until the store can be reached, or
// ctx ends.
func (p *Plans) List(ctx context.Context) ([]StoredPlan, error) {
	s := newState(p)
	for change, err := range p.store.Watch(ctx, p.prefix) {
		if err != nil {
			return nil, fmt.Errorf("schedule: list plans: %w", err)
		}
		if s.take(change); s.current {
			return s.list(), nil
		}
	}
	return nil, fmt.Errorf("schedule: list plans: %w", cmp.Or(ctx.Err(), queue.ErrUnavailable))
}

// list returns what [Plans.List] does.
func (s *state) list() []StoredPlan {
	var all []StoredPlan
	for name, k := range s.plans {
		one := StoredPlan{Plan: Plan{Name: name}, Err: k.err, Last: s.fired[name].planned}
		if k.err == nil {
			one.Plan, one.Paused, one.Changed = k.table.Plan, k.record.Paused, k.record.Changed
			one.Last = one.Last.In(k.table.zone)
		}
		if one.Last.IsZero() || k.err == nil && one.Last.Before(k.record.Since) {
			one.Last = time.Time{}
		}
		if times := s.askedOf(name); len(times) > 0 {
			one.Asked = times[len(times)-1].In(cmp.Or(k.table.zone, time.UTC))
		}
		if k.err == nil && !one.Paused {
			one.Next = k.table.next(time.Now())
		}
		all = append(all, one)
	}
	slices.SortFunc(all, func(a, b StoredPlan) int { return cmp.Compare(a.Name, b.Name) })
	return all
}
