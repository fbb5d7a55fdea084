package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/gentask/gentask/queue"
)

// settlement is what one transaction settles. Each kind is one statement.
type settlement struct {
	requests []*request
	kinds    []kind
}

// kind is the settlements of one statement.
type kind struct {
	ops  []op
	step func([]op) step
}

// settlement sorts requests by kind.
func (in *intake) settlement(requests []*request) *settlement {
	ack, back, bury := kind{step: in.ack}, kind{step: in.giveBack}, kind{step: in.bury}
	for _, r := range requests {
		for _, o := range r.ops {
			switch o.st.Disposition {
			case queue.Ack:
				ack.ops = append(ack.ops, o)
			case queue.Requeue, queue.Release:
				back.ops = append(back.ops, o)
			case queue.DeadLetter:
				bury.ops = append(bury.ops, o)
			}
		}
	}
	set := &settlement{requests: requests}
	for _, k := range []kind{ack, back, bury} {
		if len(k.ops) > 0 {
			set.kinds = append(set.kinds, k)
		}
	}
	return set
}

// steps returns a statement for each kind.
func (set *settlement) steps() []step {
	var all []step
	for _, k := range set.kinds {
		all = append(all, k.step(k.ops))
	}
	return all
}

func (in *intake) ack(ops []op) step {
	return step{in.s.broker.sql.ack, []any{in.s.id, rowsOf(ops)}, settled(ops)}
}

// giveBack is for requeues and releases.
func (in *intake) giveBack(ops []op) step {
	attempts, after, headers := make([]int32, len(ops)), make([]int64, len(ops)), make([]string, len(ops))
	for i, o := range ops {
		attempts[i], after[i] = bound(int64(o.st.Attempts())), max(0, o.st.After.Microseconds())
		if o.st.Disposition == queue.Release {
			attempts[i] = max(0, attempts[i]-1)
			if o.st.After <= 0 {
				after[i] = -1
			}
		}
		headers[i] = reasonHeader(o.st)
	}
	args := []any{in.s.id, rowsOf(ops), attempts, after, headers, in.s.inOrder}
	return step{in.s.broker.sql.giveBack, args, settled(ops)}
}

func (in *intake) bury(ops []op) step {
	headers := make([]string, len(ops))
	for i, o := range ops {
		headers[i] = letterHeaders(o.st, in.s.queue)
	}
	return step{in.s.broker.sql.bury, []any{in.s.id, rowsOf(ops), headers}, settled(ops)}
}

// rowsOf returns the ids of the rows of ops.
func rowsOf(ops []op) []int64 {
	ids := make([]int64, len(ops))
	for i, o := range ops {
		ids[i] = o.h.id
	}
	return ids
}

// settled notes of which ops the rows were there. A statement that is repeated notes it again.
func settled(ops []op) func(pgx.Rows) error {
	return func(rows pgx.Rows) error {
		there := make(map[int64]bool, len(ops))
		var id int64
		_, err := pgx.ForEachRow(rows, []any{&id}, func() error {
			there[id] = true
			return nil
		})
		for _, o := range ops {
			o.h.there = there[o.h.id]
		}
		return err
	}
}

// oneByOne repeats a transaction that the server has refused, each kind by itself. It returns an
// error only if the connection is lost.
func (in *intake) oneByOne(ctx context.Context, set *settlement) error {
	for _, k := range set.kinds {
		err := in.link.retried(ctx, false, k.step(k.ops))
		if err != nil && !answered(err) {
			return err
		}
		for _, o := range k.ops {
			o.h.refused = explain(err)
		}
	}
	return nil
}

// confirm gives each request its result. A row that was not there was removed by somebody else,
// unless the lease has ended: then all of them belong to others, and confirm returns an error.
func (in *intake) confirm(ctx context.Context, set *settlement) error {
	if set.misses() {
		alive := false
		err := in.link.retried(ctx, true, step{in.s.broker.sql.alive, []any{in.s.id}, scan(&alive)})
		if err == nil && !alive {
			err = errLease
		}
		if err != nil && !answered(err) {
			return err
		}
	}
	in.settled += in.s.apply(set)
	if in.settled >= vacuumEvery {
		in.settled = 0
		in.s.upkeep.ask()
	}
	return nil
}

// misses reports whether a row was not there.
func (set *settlement) misses() bool {
	for _, k := range set.kinds {
		for _, o := range k.ops {
			if !o.h.there && o.h.refused == nil {
				return true
			}
		}
	}
	return false
}

// apply ends the requests, and frees the slots of what was settled. It returns how many were.
func (s *session) apply(set *settlement) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, r := range set.requests {
		for _, o := range r.ops {
			h := o.h
			h.request = nil
			if h.refused != nil {
				r.failed = append(r.failed, queue.SettleFailure{Tag: h.Tag, Err: h.refused})
				h.refused = nil
				continue
			}
			delete(s.held, h.Tag)
			n++
			if !h.there {
				r.failed = append(r.failed, queue.SettleFailure{Tag: h.Tag, Err: queue.ErrSettled})
			}
			if o.st.Disposition == queue.Release && o.st.After <= 0 {
				s.hurry = true // it is back at its old place
			}
		}
		close(r.done)
	}
	s.change()
	return n
}
