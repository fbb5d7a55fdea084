package gentasktest

import (
	"cmp"
	"slices"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/queue"
)

// recorder turns events into results. The consumer calls it on one goroutine at a time, and not
// after its Stop.
type recorder struct {
	next    func(gentask.Event) // the user's own hook
	most    int
	open    int // deliveries that have started and not ended
	last    bool
	events  []gentask.Event
	results []Result
	over    bool
	done    chan struct{}
}

func (r *recorder) event(ev gentask.Event) {
	if !r.over {
		r.record(ev)
	}
	if r.next != nil {
		r.next(ev)
	}
}

func (r *recorder) record(ev gentask.Event) {
	r.events = append(r.events, ev)
	switch ev.Kind { //nolint:exhaustive // the others don't count
	case gentask.EventReceived:
		r.open++
	case gentask.EventDone:
		r.open--
		r.end(ev)
	}
}

// end handles the end of one delivery. A delivery that the broker took at once can end after the
// one that followed it.
func (r *recorder) end(ev gentask.Event) {
	r.results = append(r.results, Result{
		Disposition: ev.Disposition, After: ev.After, Reason: ev.Reason,
		Outcome: ev.Outcome, RunTime: ev.RunTime, Attempt: ev.Attempt, Events: r.events,
	})
	r.events = nil
	r.last = r.last || final(ev.Disposition) == 1
	if r.open == 0 && (r.last || len(r.results) == r.most) {
		slices.SortStableFunc(r.results, inOrder)
		r.over = true
		close(r.done)
	}
}

// inOrder compares the deliveries of one message.
func inOrder(a, b Result) int {
	return cmp.Or(cmp.Compare(a.Attempt, b.Attempt), cmp.Compare(final(a.Disposition), final(b.Disposition)))
}

// final returns 1 for a settlement that no other delivery follows.
func final(v queue.Disposition) int {
	switch v {
	case queue.Ack, queue.DeadLetter:
		return 1
	case queue.Requeue, queue.Release:
	}
	return 0
}
