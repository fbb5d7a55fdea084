package dashboard

import (
	"github.com/gentask/gentask"
	"github.com/gentask/gentask/fleet"
	"github.com/gentask/gentask/queue"
)

// errAway is the error after which a sequence of events goes on by itself.
var errAway = queue.ErrUnavailable

// eventsPage is the model of the page of events.
type eventsPage struct {
	Queue, Node, ID string
	Failures        bool // jobs that were acknowledged are left out
	Queues, Nodes   []string
	Rows            []eventRow
	Asking          bool
	Problem         string
	Lines           []string
}

// eventRow is an event.
type eventRow struct {
	fleet.EventRecord
	State state
}

// mostEventRows is how many events the page shows.
const mostEventRows = 100

func eventsModel(d *Dashboard, v *view) any {
	if !v.Fleet {
		return nil
	}
	p := &eventsPage{
		Queue: v.query.Get("queue"), Node: v.query.Get("node"), ID: v.query.Get("id"),
		Failures: v.query.Get("only") == "failures", Asking: v.sample.quick,
	}
	p.Queues, p.Nodes = v.names()
	found, err := d.sampler.feed.last(mostEventRows, p.fits)
	if err != nil {
		p.Problem, p.Lines = clip(err.Error(), 500), hints(err)
	}
	for _, r := range found {
		p.Rows = append(p.Rows, eventRow{r, eventState(&r)})
	}
	return p
}

func (p *eventsPage) fits(r *fleet.EventRecord) bool {
	return (p.Queue == "" || p.Queue == r.Queue) && (p.Node == "" || p.Node == r.Node) &&
		(p.ID == "" || p.ID == r.ID) && (!p.Failures || r.Disposition != queue.Ack.String())
}

// eventState returns the kind of an event with its tone. The end of a job is its settlement.
func eventState(r *fleet.EventRecord) state {
	switch r.Kind {
	case gentask.EventDone.String():
		switch r.Disposition {
		case queue.Ack.String():
			return state{"done", toneOK}
		case queue.DeadLetter.String():
			return state{"dead-lettered", toneBad}
		case queue.Requeue.String():
			return state{"retried", toneWarn}
		case queue.Release.String():
			return state{"released", toneIdle}
		}
		return state{"lost", toneWarn}
	case gentask.EventSessionLost.String(), gentask.EventOpenFailed.String(), gentask.EventSettleFailed.String(),
		gentask.EventWorkersLost.String(), gentask.EventHealed.String(), gentask.EventBreakerOpened.String(),
		gentask.EventGaveUp.String(), gentask.EventDedupFailed.String(), gentask.EventDriverStuck.String():
		return state{r.Kind, toneBad}
	case gentask.EventAbandoned.String(), gentask.EventPaused.String(), gentask.EventBreakerProbing.String(),
		gentask.EventDraining.String(), gentask.EventReturned.String(), gentask.EventSuspect.String(),
		fleet.KindNodeLeft, fleet.KindMissed:
		return state{r.Kind, toneWarn}
	case gentask.EventSessionOpened.String(), gentask.EventResumed.String(), gentask.EventBreakerClosed.String(),
		fleet.KindNodeJoined:
		return state{r.Kind, toneOK}
	}
	return state{r.Kind, toneIdle}
}
