package memory

import (
	"fmt"
	"slices"
	"time"

	"github.com/gentask/gentask/queue"
)

// Op is the kind of an [Entry]. The set is closed.
type Op uint8

// The ops. Each comment lists the fields of Entry that are set besides Time. The fields of a
// delivery are Session, Tag, ID and Attempt.
const (
	Published  Op = iota + 1 // a message was accepted: ID, Attempt
	Repeated                 // a message was dropped because of its UniqueKey: ID
	Duplicated               // a fault made a copy of a message: ID, Attempt
	Due                      // the delay of a message has passed: ID, Attempt of its next delivery
	Opened                   // a session was opened: Session, Prefetch
	Delivered                // a delivery was handed out: those of a delivery
	Settled                  // a settlement was applied: those of a delivery, Disposition
	Refused                  // a settlement was not applied: as Settled, and Err
	Lost                     // a session was lost: Session
	Closed                   // a session was closed: Session
	Returned                 // a delivery came back after its session's end: those of a delivery
	GivenBack                // a delivery was given back by Return: as Settled
)

// String returns the op's name.
func (o Op) String() string {
	switch o {
	case Published:
		return "published"
	case Repeated:
		return "repeated"
	case Duplicated:
		return "duplicated"
	case Due:
		return "due"
	case Opened:
		return "opened"
	case Delivered:
		return "delivered"
	case Settled:
		return "settled"
	case Refused:
		return "refused"
	case Lost:
		return "lost"
	case Closed:
		return "closed"
	case Returned:
		return "returned"
	case GivenBack:
		return "given back"
	}
	return fmt.Sprintf("op(%d)", uint8(o))
}

// Entry is one record of the journal. Fields that its Op does not set are zero.
type Entry struct {
	Time        time.Time
	Op          Op
	Session     int
	Prefetch    int
	Tag         uint64
	ID          string
	Attempt     int
	Disposition queue.Disposition
	Err         error
}

// Journal returns a copy of the journal, in order. It is empty unless [Config.Journal] is set.
func (q *Queue) Journal() []Entry {
	q.mu.Lock()
	defer q.mu.Unlock()
	return slices.Clone(q.journal)
}

// note appends an entry if there is a journal.
func (q *Queue) note(e Entry) {
	if !q.cfg.Journal {
		return
	}
	e.Time = time.Now()
	q.journal = append(q.journal, e)
}
