package gentask

import (
	"time"

	"github.com/gentask/gentask/queue"
)

// drain is a consumer's way to its end. The intake is cancelled first, unstarted deliveries go
// back, and running jobs finish or are cancelled. When everything is settled, the session is
// closed. A nil drain means that the consumer does not stop.
type drain struct {
	report DrainReport
	timer  *time.Timer
	over   bool // the time is up: running jobs must be cancelled
	cut    bool // they have been cancelled
	last   bool // the time after that is up, too: unsettled deliveries are lost
	done   bool
}

// flushTime is the time for settlements after the drain's time and the grace.
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

// removed counts how a delivery has ended since the drain began.
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
