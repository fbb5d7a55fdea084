package isolate

import (
	"context"
	"slices"
	"sync"
	"time"
)

// lender lends children to jobs, the one that was given back last first, so that few are busy and
// the others may be recycled. Jobs that wait get one in turn.
type lender struct {
	mu      sync.Mutex
	free    []*process // a child is there once for each job that it can take
	waiting turns
	spare   sync.Pool     // of turns that nothing waits for
	failed  error         // why the last start failed; nil since one has not
	wait    time.Duration // until the next start, then
	alive   int           // children that have been added, and not removed
}

// take returns a child. The error is the cause of ctx if that ends before, and wraps [ErrStart] if
// there is no child and none can start.
func (l *lender) take(ctx context.Context) (*process, error) {
	l.mu.Lock()
	if n := len(l.free); n > 0 {
		p := l.free[n-1]
		l.free = l.free[:n-1]
		l.mu.Unlock()
		return p, nil
	}
	if l.failed != nil && l.alive == 0 {
		defer l.mu.Unlock()
		return nil, startError(l.failed, l.wait)
	}
	t := l.newTurn()
	l.waiting.push(t)
	l.mu.Unlock()
	return l.await(ctx, t)
}

func (l *lender) await(ctx context.Context, t turn) (*process, error) {
	defer l.spare.Put(t) // nothing is in it, and nothing will be
	select {
	case p := <-t:
		if p == nil { // no child can start
			return l.take(ctx)
		}
		return p, nil
	case <-ctx.Done():
	}
	l.mu.Lock()
	l.waiting.remove(t)
	l.mu.Unlock()
	select {
	case p := <-t: // it came at the same time
		if p != nil {
			l.give(p)
		}
	default:
	}
	return nil, context.Cause(ctx)
}

// give takes a child back, once for each time that it was lent.
func (l *lender) give(p *process) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lend(p)
}

// lend gives a child to the first that waits, or keeps it. The mutex is held.
func (l *lender) lend(p *process) {
	if t := l.waiting.pop(); t != nil {
		t <- p
		return
	}
	l.free = append(l.free, p)
}

// begin forgets the starts that failed while the pool was used before.
func (l *lender) begin() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.failed = nil
}

// add adds a child that is ready.
func (l *lender) add(p *process) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.failed = nil
	l.alive++
	for range p.cfg.PerChild {
		l.lend(p)
	}
}

// remove takes a dead child away. A job that still holds it does not give it back.
func (l *lender) remove(p *process) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.alive--
	kept := l.free[:0]
	for _, f := range l.free {
		if f != p {
			kept = append(kept, f)
		}
	}
	clear(l.free[len(kept):])
	l.free = kept
}

// cantStart notes that a child could not start, and when the next try is. Jobs that wait are given
// back if there is no other child.
func (l *lender) cantStart(err error, wait time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.failed, l.wait = err, wait
	if l.alive > 0 {
		return
	}
	for t := l.waiting.pop(); t != nil; t = l.waiting.pop() {
		t <- nil
	}
}

// turn gets a child for a job that waits, or nil if none can start. Its capacity is one.
type turn chan *process

func (l *lender) newTurn() turn {
	if t, ok := l.spare.Get().(turn); ok {
		return t
	}
	return make(turn, 1)
}

// turns are those of the jobs that wait, in their order.
type turns struct {
	all  []turn
	gone int // how many at the front have had theirs
}

func (t *turns) push(one turn) {
	if t.gone > len(t.all)/2 {
		t.all = slices.Delete(t.all, 0, t.gone)
		t.gone = 0
	}
	t.all = append(t.all, one)
}

// pop returns the first, or nil.
func (t *turns) pop() turn {
	if t.gone == len(t.all) {
		return nil
	}
	first := t.all[t.gone]
	t.all[t.gone] = nil
	t.gone++
	return first
}

// remove removes one that may not be there any more.
func (t *turns) remove(one turn) {
	if i := slices.Index(t.all, one); i >= 0 {
		t.all = slices.Delete(t.all, i, i+1)
	}
}
