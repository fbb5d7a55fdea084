package link

import (
	"sync"
	"time"
)

// debt identifies an answer that the driver owes.
type debt int

const (
	opening   debt = iota // the session
	turning               // the end of a cancel or of a resume
	returning             // a return has this number or a greater one
)

// owed is what the driver owes besides the answers to settlements: for each debt, when the time for
// it is over. Safe for concurrent use.
type owed struct {
	mu      sync.Mutex
	returns debt // so far
	due     map[debt]time.Time
}

// add records a debt of a call that may take as long as within.
func (o *owed) add(d debt, within time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.due == nil {
		o.due = map[debt]time.Time{}
	}
	o.due[d] = time.Now().Add(within + DriverGrace)
}

// addReturn records the debt of one more return.
func (o *owed) addReturn() debt {
	o.mu.Lock()
	d := returning + o.returns
	o.returns++
	o.mu.Unlock()
	o.add(d, CloseTimeout)
	return d
}

func (o *owed) paid(d debt) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.due, d)
}

func (o *owed) overdue(now time.Time) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, due := range o.due {
		if now.After(due) {
			return true
		}
	}
	return false
}
