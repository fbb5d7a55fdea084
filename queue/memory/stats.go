package memory

import (
	"context"
	"errors"

	"github.com/gentask/gentask/queue"
)

// Stats are exact counts of one moment, for which
//
//	Published + Duplicated = Acked + DeadLettered + Ready + Isolated + Delayed + Held
//	Delivered = Acked + Requeued + Released + DeadLettered + Returned + GivenBack + Held
type Stats struct {
	// The present contents.

	Ready    int // messages that wait to be delivered
	Isolated int // suspects that wait at their place
	Delayed  int // messages whose delay has not passed
	Held     int // deliveries that are not settled

	// Messages so far.

	Published    int // messages accepted from publishers
	Repeated     int // messages confirmed and dropped, because their UniqueKey was taken
	Duplicated   int // copies made by Faults.Duplicate
	Delivered    int // deliveries handed out
	Acked        int // settlements applied, by disposition
	Requeued     int
	Released     int
	DeadLettered int
	Returned     int // deliveries that came back because their session ended
	GivenBack    int // deliveries that were given back by Return
	Refused      int // settlements not applied; the journal has each with its reason
	LostAcks     int // settlements that Faults.LoseAck accepted and dropped
	MaxHeld      int // the highest value of Held so far, over all sessions

	// Sessions so far.

	Sessions int // open now
	Opened   int // ever opened
	Lost     int // ended without Close
}

// Stats returns the present counts.
func (q *Queue) Stats() Stats {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.count()
}

// Inspect implements queue.Inspector; every count is known. [Queue.Stats] also has what has
// happened so far. It returns ctx.Err() when ctx has ended.
func (q *Queue) Inspect(ctx context.Context) (queue.Stats, error) {
	if err := errors.Join(q.bad, ctx.Err()); err != nil {
		return queue.Stats{}, err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	now := q.count()
	return queue.Stats{
		Ready: now.Ready + now.Isolated, Delayed: now.Delayed, Held: now.Held,
		DeadLettered: len(q.letters.all), Consumers: now.Sessions,
	}, nil
}

// Backlog implements queue.BacklogReporter. It returns ctx.Err() when ctx has ended.
func (q *Queue) Backlog(ctx context.Context) (int, error) { return q.Stats().Ready, ctx.Err() }

// count adds the counts of the present contents to the running ones.
func (q *Queue) count() Stats {
	s := q.stats
	s.Ready, s.Delayed, s.Sessions = q.ready.len(), q.delayed.Len(), len(q.sessions)
	s.Isolated = q.suspects.len()
	return s
}

// Holding lists the deliveries that one open session holds.
type Holding struct {
	Session    int    // its number, in the order of opening, from 1
	Name       string // Options.Name
	Prefetch   int
	Deliveries []*queue.Delivery // in the order of delivery
}

// Held returns the holdings of all open sessions, in the order of opening, including those that
// hold nothing.
func (q *Queue) Held() []Holding {
	q.mu.Lock()
	defer q.mu.Unlock()
	all := make([]Holding, len(q.sessions))
	for i, s := range q.sessions {
		all[i] = Holding{Session: s.number, Name: s.opts.Name, Prefetch: s.opts.Prefetch}
		for _, tag := range s.tags() {
			all[i].Deliveries = append(all[i].Deliveries, s.held[tag].Delivery)
		}
	}
	return all
}
