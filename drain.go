package gentask

import (
	"time"

	"github.com/gentask/gentask/queue"
)

// drain is a consumer's way to its end: the intake is cancelled first, the unstarted go back, the running ones finish or are cancelled, and when
// everything is settled the session is closed. A nil drain is none.
type drain struct {
	report DrainReport
	timer  *time.Timer
	over   bool // the time is up: what runs is to be cancelled
	cut    bool // and has been
	last   bool // the time after that is up, too: what is unsettled is lost
	done   bool
}

// flushTime is what settlements get beyond time and grace.
const flushTime = 5 * time.Second

// cancel stops the jobs that still run.
func (d *drain) cancel(running []*entry) {
	d.cut = true
	for _, e := range running {
		if e.unfinished() != nil {
			d.report.Cancelled = append(d.report.Cancelled, e.delivery.ID)
		}
		e.stop(ErrDrained)
	}
}

// removed counts what became of a delivery since the drain began.
func (d *drain) removed(e *entry) {
	switch {
	case d == nil:
		return
	case e.returned:
		d.report.Returned++
	case e.disposition == 0:
		d.report.Lost++
	case e.disposition == queue.Release:
		d.report.Returned++
	default:
		d.report.Finished++
	}
	if e.wasAbandoned() {
		d.report.Abandoned = append(d.report.Abandoned, e.delivery.ID)
	}
}
