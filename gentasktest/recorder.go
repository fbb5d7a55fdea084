package gentasktest

import (
	"github.com/gentask/gentask"
	"github.com/gentask/gentask/queue"
)

// recorder makes results of events. The consumer calls it from one goroutine at a time, and no more after its Stop.
type recorder struct {
	next    func(gentask.Event) // the user's own hook
	most    int
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
	if ev.Kind != gentask.EventEnd {
		return
	}
	r.results = append(r.results, Result{
		Settlement: ev.Settlement, After: ev.After, Reason: ev.Reason,
		Outcome: ev.Outcome, RunTime: ev.RunTime, Attempt: ev.Attempt, Events: r.events,
	})
	r.events = nil
	last := ev.Settlement == queue.Ack || ev.Settlement == queue.DeadLetter
	if last || len(r.results) == r.most {
		r.over = true
		close(r.done)
	}
}
