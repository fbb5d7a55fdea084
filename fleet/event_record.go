package fleet

import (
	"slices"
	"time"

	"github.com/gentask/gentask"
)

// EventRecord is an event of a consumer, or of [Node.Events] itself. Fields that its kind doesn't
// use are zero, and are left out in JSON. Texts are cut, and otherwise as they were: those of a job
// may contain control characters, which a viewer has to escape.
type EventRecord struct {
	// Time is when it happened, by the clock of the node. For [KindNodeJoined] and [KindNodeLeft]
	// it is the clock of the watcher.
	Time time.Time `json:"time"`

	// Node is [Config.Node], and Instance differs for each process that has had it.
	Node     string `json:"node,omitempty"`
	Instance string `json:"instance,omitempty"`

	// Consumer and Queue are those of the event's consumer.
	Consumer string `json:"consumer,omitempty"`
	Queue    string `json:"queue,omitempty"`

	// Kind is the text of a [gentask.EventKind], or one of [KindNodeJoined], [KindNodeLeft] and
	// [KindMissed].
	Kind string `json:"kind"`

	// These are of [gentask.Event], the closed sets as text. Disposition is empty for a delivery
	// that was lost or returned. Outcome is empty if the job did not run.
	ID          string `json:"id,omitempty"`
	Attempt     int    `json:"attempt,omitempty"`
	JobKind     string `json:"job_kind,omitempty"`
	Disposition string `json:"disposition,omitempty"`
	Outcome     string `json:"outcome,omitempty"`
	Key         string `json:"key,omitempty"`
	Count       int    `json:"count,omitempty"`

	// Reason is the text of the event's reason, or of the change of an override.
	Reason string `json:"reason,omitempty"`

	After      time.Duration `json:"after_ns,omitempty"`
	QueueTime  time.Duration `json:"queue_time_ns,omitempty"`
	RunTime    time.Duration `json:"run_time_ns,omitempty"`
	SettleTime time.Duration `json:"settle_time_ns,omitempty"`

	// Missed is how many records are missing here, for KindMissed. Zero means that the number is
	// not known.
	Missed uint64 `json:"missed,omitempty"`
}

// The kinds of records that no consumer emits.
const (
	// KindNodeJoined is the kind of the first record of a node: from now on it records its events.
	// There is one for each node that is there when the sequence begins, and for each that comes,
	// or comes back, later.
	KindNodeJoined = "node joined"

	// KindNodeLeft is the kind of the record for a node that has not answered five questions in a
	// row, which takes about five seconds. It was closed, has died, or can't be reached.
	KindNodeLeft = "node left"

	// KindMissed is the kind of a record in the place of others that are missing. More came than a
	// node keeps until it is asked; or it had stopped to record because no one had asked. Or the
	// process was so busy that the subscribers of a consumer have lost events: then Missed is at
	// most that many.
	KindMissed = "missed"
)

// EventFilter selects event records. The zero value selects all. Records of a kind that no consumer
// emits are selected by Node alone, and a KindMissed of one consumer by Queue, too.
type EventFilter struct {
	// Node is a [Config.Node], and Queue the name of a queue. Empty means all.
	Node, Queue string

	// Kinds are the kinds of events. Empty means all.
	Kinds []gentask.EventKind

	// ID is that of a message. Empty means all, those without an ID included.
	ID string
}

// asked returns the filter as it is asked for.
func (f *EventFilter) asked() eventsQuestion {
	q := eventsQuestion{Queue: clip(f.Queue, mostIDText), ID: clip(f.ID, mostIDText)}
	for _, k := range f.Kinds {
		q.Kinds = append(q.Kinds, k.String())
	}
	return q
}

// wants reports whether a record is asked for.
func (q *eventsQuestion) wants(r *EventRecord) bool {
	if q.Queue != "" && r.Queue != "" && q.Queue != r.Queue {
		return false
	}
	if r.Kind == KindMissed {
		return true
	}
	return (q.ID == "" || q.ID == r.ID) && (len(q.Kinds) == 0 || slices.Contains(q.Kinds, r.Kind))
}

// recordOf returns the record of an event, without its node.
func recordOf(ev *gentask.Event, queueName string) EventRecord {
	r := EventRecord{
		Time: ev.Time.UTC(), Consumer: clip(ev.Consumer, mostIDText), Queue: queueName, Kind: ev.Kind.String(),
		ID: clip(ev.ID, mostIDText), Attempt: ev.Attempt, JobKind: clip(ev.JobKind, mostIDText),
		Key: clip(ev.Key, mostIDText), Count: ev.Count,
		After: ev.After, QueueTime: ev.QueueTime, RunTime: ev.RunTime, SettleTime: ev.SettleTime,
	}
	if ev.Disposition != 0 {
		r.Disposition = ev.Disposition.String()
	}
	if ev.Outcome != 0 {
		r.Outcome = ev.Outcome.String()
	}
	switch {
	case ev.Override != nil:
		r.Reason = clip(changeText(ev.Override), mostText)
	case ev.Reason != nil:
		r.Reason = clip(ev.Reason.Error(), mostText)
	}
	return r
}

// changeText returns a change of an override as text.
func changeText(c *gentask.OverrideChange) string {
	text := c.Kind.String() + ": " + c.From + " to " + c.To + " by " + c.Author.By
	if c.Author.Reason != "" {
		text += ": " + c.Author.Reason
	}
	return text
}

// eventsQuestion is the part of a question that is about events.
type eventsQuestion struct {
	// Cursors are the numbers of the next records, by instance. A node whose instance is not there
	// answers with its position.
	Cursors map[string]uint64 `json:"cursors,omitempty"`

	// Rest reports whether only the instances of Cursors are asked.
	Rest bool `json:"rest,omitempty"`

	Queue string   `json:"queue,omitempty"`
	ID    string   `json:"id,omitempty"`
	Kinds []string `json:"kinds,omitempty"`
}

// eventsAnswer is the answer of a node about its events.
type eventsAnswer struct {
	sender

	// Position reports that there was no cursor: the answer has no records.
	Position bool `json:"position,omitempty"`

	// After is the cursor of the question, and Next is the cursor after this answer. In between are
	// Missed records that the node does not have any more, and then Records and those that were not
	// asked for. More reports whether there is something after Next.
	After   uint64        `json:"after"`
	Next    uint64        `json:"next"`
	Missed  uint64        `json:"missed,omitempty"`
	More    bool          `json:"more,omitempty"`
	Records []EventRecord `json:"records,omitempty"`
}
