package schedule

import (
	"context"
	"encoding/json"
	"log/slog"
	"sync"
	"time"

	"github.com/gentask/gentask/internal/guard"
	"github.com/gentask/gentask/queue"
)

const (
	// noteLater is how long a node that was not the first to publish a firing leaves it to the
	// first one to note that.
	noteLater = 2 * time.Second

	// noteAgain is the wait after a note that the store did not take.
	noteAgain = time.Second

	// noteLast bounds the notes at the end of Run.
	noteLast = 2 * time.Second
)

// notes keeps the last firings of a set of plans in its store. One goroutine writes.
type notes struct {
	plans *Plans
	log   *slog.Logger
	kick  chan struct{} // capacity 1

	mu   sync.Mutex
	have map[string]mark // as the store has it
	due  map[string]note // to be written
}

// note is a firing that is to be noted at a time.
type note struct {
	planned time.Time
	at      time.Time
}

func newNotes(plans *Plans, log *slog.Logger) *notes {
	return &notes{
		plans: plans, log: log, kick: make(chan struct{}, 1), have: map[string]mark{}, due: map[string]note{},
	}
}

// set replaces what the store has.
func (n *notes) set(fired map[string]mark) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.have = map[string]mark{}
	for name, m := range fired {
		n.have[name] = m
	}
}

// last returns the planned time of a plan that the broker had last.
func (n *notes) last(name string) time.Time {
	n.mu.Lock()
	defer n.mu.Unlock()
	return later(n.have[name].planned, n.due[name].planned)
}

// add notes a firing, at once or later.
func (n *notes) add(name string, planned time.Time, duplicate bool) {
	at := time.Now()
	if duplicate {
		at = at.Add(noteLater)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if !planned.After(n.due[name].planned) && n.due[name].at.Before(at) {
		return
	}
	n.due[name] = note{planned, at}
	select {
	case n.kick <- struct{}{}:
	default: // it looks again anyway
	}
}

// run writes until ctx ends.
func (n *notes) run(ctx context.Context) {
	for {
		wait := n.write(ctx, false)
		timer := time.NewTimer(wait)
		select {
		case <-n.kick:
		case <-timer.C:
		case <-ctx.Done():
		}
		timer.Stop()
		if ctx.Err() != nil {
			return
		}
	}
}

// flush writes all that is to be written, once.
func (n *notes) flush(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), noteLast)
	defer cancel()
	n.write(ctx, true)
}

// write writes what is due, or all of it. It returns how long nothing will be.
func (n *notes) write(ctx context.Context, all bool) (wait time.Duration) {
	wait = time.Hour
	for name, one := range n.pending() {
		if left := time.Until(one.at); left > 0 && !all {
			wait = min(wait, left)
			continue
		}
		if err := n.put(ctx, name, one); err != nil {
			n.log.DebugContext(ctx, "schedule: the last firing is not noted yet", "plan", name, "error", err)
			n.postpone(name, one)
			wait = min(wait, noteAgain)
		}
	}
	return wait
}

// pending returns what is to be written, without what the store has.
func (n *notes) pending() map[string]note {
	n.mu.Lock()
	defer n.mu.Unlock()
	all := make(map[string]note, len(n.due))
	for name, one := range n.due {
		if !one.planned.After(n.have[name].planned) {
			delete(n.due, name)
			continue
		}
		all[name] = one
	}
	return all
}

// put writes a note, unless the store has got a later one: that is a conflict.
func (n *notes) put(ctx context.Context, name string, one note) error {
	key := n.plans.firedKey(name)
	record, err := n.plans.store.Get(ctx, key)
	if err != nil && !guard.Is(err, queue.ErrNoRecord) {
		return err
	}
	have := mark{decodeFired(record.Value), record.Revision}
	if one.planned.After(have.planned) {
		value, err := json.Marshal(firedRecord{Format: format, Planned: one.planned.UTC()})
		if err != nil {
			return err
		}
		have.planned = one.planned
		if have.revision, err = n.plans.store.Put(ctx, key, value, record.Revision, 0); err != nil {
			return err
		}
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.have[name] = have
	if n.due[name] == one {
		delete(n.due, name)
	}
	return nil
}

// forget drops what is to be written about a plan that was removed.
func (n *notes) forget(name string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.due, name)
}

// postpone tries again later.
func (n *notes) postpone(name string, one note) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.due[name] == one {
		n.due[name] = note{one.planned, time.Now().Add(noteAgain)}
	}
}

// noted is the keeper of one plan.
type noted struct {
	notes *notes
	name  string
	since time.Time // the plan is not older
}

func (m noted) covered() time.Time { return later(m.since, m.notes.last(m.name)) }

func (m noted) fired(planned time.Time, duplicate bool) { m.notes.add(m.name, planned, duplicate) }

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
