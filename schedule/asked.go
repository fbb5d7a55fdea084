package schedule

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/gentask/gentask/internal/guard"
	"github.com/gentask/gentask/queue"
)

// mostAsked is how many of the last firings that were asked for are kept of a plan. A node that
// sees none of so many in a row misses the oldest.
const mostAsked = 100

// askedRecord are the firings of a plan that were asked for, as they are kept in the store, in
// JSON: the oldest first.
type askedRecord struct {
	Format int         `json:"v"`
	Since  time.Time   `json:"since,omitzero"` // that of the plan
	Times  []time.Time `json:"times"`
}

// of returns the times if they are those of this plan, and not of one that was removed.
func (r askedRecord) of(plan *planRecord) []time.Time {
	if !r.Since.Equal(plan.Since) {
		return nil
	}
	return r.Times
}

// RunNow fires a plan once, now, beside its planned times, which do not change. A paused plan is
// fired, too. The message is that of another firing: its ID has the time of the call, to the
// microsecond, and so has its UniqueKey. Every node publishes it, and the broker keeps the first.
// [HeaderPlanned] has the time in seconds.
//
// RunNow returns when the request is stored. A node that is cut off or down publishes it when it is
// back, unless nine tenths of the broker's window have passed since the call, because it might come
// twice then. So clocks must agree as they must for planned times. [Plans.Remove] withdraws it.
//
// The error wraps [queue.ErrNoRecord] if there is no such plan, or it was removed meanwhile, and
// [queue.ErrUnknown] if a newer program has written it. After an error that wraps
// [queue.ErrUncertain], because ctx has ended, the plan may be fired all the same. Each call is a
// firing of its own.
func (p *Plans) RunNow(ctx context.Context, name string) error {
	plan, _, err := p.get(ctx, p.planKey(name))
	if err == nil && plan == nil {
		err = queue.ErrNoRecord
	}
	if err == nil {
		err = p.ask(ctx, plan)
	}
	if err == nil {
		err = p.stands(ctx, plan)
		if guard.Is(err, queue.ErrNoRecord) {
			err = errors.Join(err, p.withdraw(ctx, plan))
		}
	}
	if err != nil {
		return fmt.Errorf("schedule: plan %q: %w", name, err)
	}
	return nil
}

// stands returns [queue.ErrNoRecord] if a plan was removed since it was read, also if there is
// another of its name.
func (p *Plans) stands(ctx context.Context, plan *planRecord) error {
	present, _, err := p.get(ctx, p.planKey(plan.Name))
	if err == nil && (present == nil || !present.Since.Equal(plan.Since)) {
		err = queue.ErrNoRecord
	}
	return err
}

// withdraw deletes the requests of a plan that was removed: [Plans.Remove] may have been too early
// to see them.
func (p *Plans) withdraw(ctx context.Context, plan *planRecord) error {
	key := p.askedKey(plan.Name)
	record, err := p.store.Get(ctx, key)
	if err == nil && decodeAsked(record.Value).Since.Equal(plan.Since) {
		err = p.store.Delete(ctx, key, record.Revision)
	}
	if guard.Is(err, queue.ErrNoRecord) || guard.Is(err, queue.ErrConflict) {
		return nil // others have done it
	}
	return err
}

// ask stores the request for a firing, once, however often answers are lost. It looks at the plan
// after the requests, so that those of a newer plan of its name are not overwritten.
func (p *Plans) ask(ctx context.Context, plan *planRecord) error {
	key, at := p.askedKey(plan.Name), askedTime(time.Now())
	for uncertain := false; ; {
		record, err := p.store.Get(ctx, key)
		if err != nil && !guard.Is(err, queue.ErrNoRecord) {
			return err
		}
		if err := p.stands(ctx, plan); err != nil {
			return err
		}
		times := decodeAsked(record.Value).of(plan)
		if slices.ContainsFunc(times, at.Equal) {
			if uncertain {
				return nil // it was stored
			}
			at = at.Add(time.Microsecond) // another one's
			continue
		}
		asked := askedRecord{Format: format, Since: plan.Since, Times: append(times, at)}
		err = p.putAsked(ctx, key, asked, record.Revision)
		if err == nil || ctx.Err() != nil || !guard.Is(err, queue.ErrConflict) && !guard.Is(err, queue.ErrUncertain) {
			return err
		}
		uncertain = uncertain || guard.Is(err, queue.ErrUncertain)
	}
}

// putAsked replaces the requests of a plan, if the record has that revision.
func (p *Plans) putAsked(ctx context.Context, key string, asked askedRecord, at queue.Revision) error {
	asked.Times = asked.Times[max(len(asked.Times)-mostAsked, 0):]
	value, err := json.Marshal(asked)
	if err == nil {
		_, err = p.store.Put(ctx, key, value, at, 0)
	}
	return err
}

// askedTime returns a time in microseconds that is no planned time: those are whole seconds.
func askedTime(now time.Time) time.Time {
	at := now.UTC().Truncate(time.Microsecond)
	if at.Nanosecond() == 0 {
		return at.Add(time.Microsecond)
	}
	return at
}

// decodeAsked returns the requests in value, and none if this program can't read them.
func decodeAsked(value []byte) askedRecord {
	var r askedRecord
	if json.Unmarshal(value, &r) != nil || r.Format != format {
		return askedRecord{}
	}
	return r
}

func (p *Plans) askedKey(name string) string { return p.prefix + ".asked." + queue.EncodeKey(name) }

// answered are the firings of a plan that were asked for, and this node has begun or left out.
type answered struct {
	since time.Time                    // that of the plan
	stops map[int64]context.CancelFunc // by their time: each ends a firing
}

// stop ends what is under way.
func (a answered) stop() {
	for _, stop := range a.stops {
		stop()
	}
}

// fireAsked fires what was asked for of a plan, and this node has not fired yet.
func (f *follower) fireAsked(ctx context.Context, name string) {
	k, there := f.state.plans[name]
	if there && (k.err != nil || f.own[name]) {
		return
	}
	before := f.answered[name]
	if !there || !before.since.Equal(k.record.Since) {
		before.stop() // of a plan that was removed
		before = answered{}
		delete(f.answered, name)
	}
	if !there {
		return
	}
	now := answered{k.record.Since, map[int64]context.CancelFunc{}}
	for _, at := range f.state.askedOf(name) {
		stop, done := before.stops[at.UnixNano()]
		if !done {
			stop = f.startAsked(ctx, k, at)
		}
		now.stops[at.UnixNano()] = stop
	}
	f.answered[name] = now
}

// startAsked fires a plan beside its planned times, unless that was asked for too long ago. stop
// ends what is under way.
func (f *follower) startAsked(ctx context.Context, k known, at time.Time) (stop context.CancelFunc) {
	r := f.like.of(k.table, f.publisher)
	at = at.In(k.table.zone)
	end := at.Add(r.margin())
	if now := r.now(); now.After(end) {
		if f.live {
			r.log.ErrorContext(ctx, "schedule: a firing is left out that was asked for too long ago", "at", at)
		}
		return func() {}
	}
	ctx, stop = context.WithCancel(ctx)
	f.wg.Go(func() {
		defer stop()
		err := r.fireUntil(ctx, at, end)
		if guard.Is(err, queue.ErrClosed) {
			f.end(ctx, r.log, err)
		} else if err != nil {
			r.log.ErrorContext(ctx, "schedule: a firing that was asked for is refused", "at", at, "error", err)
		}
	})
	return stop
}
