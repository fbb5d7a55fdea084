package gentask

import (
	"fmt"
	"strings"

	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/internal/supervise"
	"github.com/gentask/gentask/task"
)

// witness is a ledger each of whose turns is in the transcript: the message, and what it has
// changed for the entries.
type witness struct {
	*replay
	ledger *ledger
}

// Receive is one turn of the ledger.
func (w *witness) Receive(ctx actor.Context) {
	l, msg := w.ledger, ctx.Message()
	w.replay.ledger = l
	w.log.put(replayLine{kind: lineIn, text: messageText(l, msg), idle: isIdle(msg)})
	before := entriesOf(l)
	defer func() { // also when it crashes
		w.changed(before, msg)
		if l.session.phase == phaseReceiving {
			w.flows = true
		}
	}()
	l.Receive(ctx)
}

// isIdle reports whether a message is of no interest if nothing comes of it.
func isIdle(msg any) bool {
	switch msg := msg.(type) {
	case *tick, *settleDue:
		return true
	case *backlogCounted:
		return msg.Waiting == 0
	}
	_, known := msg.(message)
	return !known && controlText(msg) == "Terminated" // of protoactor-go
}

// witnessed is what can be seen of an entry between two turns.
type witnessed struct {
	*entry
	busy  bool
	cause error
}

func entriesOf(l *ledger) []witnessed {
	var all []witnessed
	for _, e := range inOrder(&l.held, &l.busy) {
		all = append(all, witnessed{e, e.busy(), e.toldCause()})
	}
	return all
}

// changed writes down which workers were started and ended, and which tasks were stopped.
func (w *witness) changed(before []witnessed, msg any) {
	seen := map[*entry]witnessed{}
	for _, was := range before {
		seen[was.entry] = was
		if cause := was.toldCause(); was.busy && was.cause == nil && cause != nil {
			w.log.add(lineOut, "stop %s%s", was.delivery.ID, reasonText(cause))
		}
		if was.busy && !was.entry.busy() && !ofEnd(msg) {
			w.log.add(lineOut, "end worker %s", was.delivery.ID)
		}
	}
	for _, is := range entriesOf(w.ledger) {
		if is.busy && !seen[is.entry].busy {
			w.log.add(lineOut, "start %s", is.delivery.ID)
		}
	}
}

// ofEnd reports whether a message brings the end of a worker, or of its task.
func ofEnd(msg any) bool {
	switch msg.(type) {
	case *workerGone, *supervise.Ended, *task.Outcome[any]:
		return true
	}
	return false
}

// messageText describes a message by the name of its type.
func messageText(l *ledger, msg any) string {
	switch msg := msg.(type) {
	case *sessionOpened:
		return "sessionOpened"
	case *intakeDrained:
		return "intakeDrained"
	case *intakeFlowing:
		return "intakeFlowing"
	case *sessionBroken:
		return "sessionBroken" + reasonText(msg.Err)
	case *sessionClosed:
		return "sessionClosed"
	case *backlogCounted:
		return fmt.Sprintf("backlogCounted: %d", msg.Waiting)
	case *settled:
		return answerText("settled", msg.Entries, msg.Answer.Failed, msg.Err)
	case *returned:
		return answerText("returned", msg.Entries, msg.Answer.Failed, msg.Err)
	case *task.Outcome[any]:
		return outcomeText(l, msg)
	case *actor.Exited:
		return "Exited " + childName(l, msg.PID) + reasonText(msg.Reason)
	case *actor.Ready:
		return "Ready " + childName(l, msg.PID)
	}
	if text := deliveryText(msg); text != "" {
		return text
	}
	return controlText(msg)
}

// deliveryText describes a message about one delivery.
func deliveryText(msg any) string {
	switch msg := msg.(type) {
	case *delivered:
		e := (*entry)(msg)
		text := fmt.Sprintf("delivered %s attempt %d", e.delivery.ID, e.item.Attempt)
		if e.delivery.Redelivered {
			text += ", redelivered"
		}
		return text
	case *decided:
		return decisionText("decided", (*entry)(msg), nil)
	case *workerGone:
		w := (*worker)(msg)
		return decisionText("workerGone", w.entry, w.Reason())
	case *supervise.Ended:
		return decisionText("Ended", msg.Tag.(*entry), msg.Reason) //nolint:forcetypeassert // the ledger's
	case *settleDue:
		return "settleDue " + msg.entry.delivery.ID
	case *workerCrashed:
		return "workerCrashed " + msg.entry.delivery.ID + reasonText(msg.reason)
	case *restartDue:
		return "restartDue " + msg.entry.delivery.ID
	}
	return ""
}

// controlText describes a message that is about no delivery.
func controlText(msg any) string {
	switch msg := msg.(type) {
	case *abandonedNow:
		return fmt.Sprintf("abandonedNow: %d", msg.n)
	case *pauseRequest:
		if msg.on {
			return "pauseRequest: on"
		}
		return "pauseRequest: off"
	case *overrideRequest:
		return "overrideRequest"
	case *cancelRequest:
		return "cancelRequest " + msg.id
	case *drainRequest:
		return fmt.Sprintf("drainRequest within %v", short(msg.within))
	case *concurrencyRequest:
		return fmt.Sprintf("concurrencyRequest: %d", msg.n)
	}
	name := fmt.Sprintf("%T", msg)
	return name[strings.LastIndexByte(name, '.')+1:]
}

func decisionText(what string, e *entry, reason error) string {
	d, why := e.verdict()
	text := what + " " + e.delivery.ID
	switch {
	case d.kind == decideDeadLetter:
		return text + ": dead letter" + reasonText(why)
	case d.kind != undecided:
		d.after = short(d.after)
		return text + ": " + d.String() + reasonText(why)
	}
	return text + ": no decision" + reasonText(reason)
}

func answerText(what string, entries []*entry, failed map[uint64]error, err error) string {
	var parts []string
	for _, e := range entries {
		part := e.delivery.ID
		if reason, refused := failed[e.delivery.Tag]; refused {
			part += " refused" + reasonText(reason)
		}
		parts = append(parts, part)
	}
	text := what + " " + strings.Join(parts, ", ")
	if err != nil && len(failed) == 0 {
		text += reasonText(err)
	}
	return text
}

// outcomeText describes the end of a task that has lost its worker.
func outcomeText(l *ledger, o *task.Outcome[any]) string {
	id := "of none"
	if left := l.workers.orphans[o.Task.ID()]; left != nil {
		id = left.entry.delivery.ID
	}
	return fmt.Sprintf("Outcome %s: %s", id, statusText(o.Status, o.Reason))
}

func statusText(s task.Status, reason error) string {
	if s == task.Timeout {
		return s.String() // its reason is the same
	}
	return s.String() + reasonText(reason)
}

func childName(l *ledger, pid *actor.PID) string {
	switch {
	case pid.Equal(l.tasks):
		return "tasks"
	case l.workers != nil && pid.Equal(l.workers.supervisor):
		return "workers"
	}
	return pid.Id
}

// eventText describes an event.
func eventText(ev Event) string {
	text := ev.Kind.String()
	if ev.ID != "" {
		text += " " + ev.ID
	}
	switch {
	case ev.Disposition != 0:
		text += ": " + ev.Disposition.String() + afterText(ev.After)
		if ev.InPlace {
			text += ", in place"
		}
	case ev.Kind == EventAbandoned:
		text += fmt.Sprintf(": %d", ev.Count)
	case ev.Kind == EventBreakerOpened:
		text += afterText(ev.After)
	case ev.Kind == EventOverridden:
		text += fmt.Sprintf(": %v %s", ev.Override.Kind, ev.Override.To)
		if by := ev.Override.Author.By; by != "" {
			text += " by " + by
		}
	case ev.Kind == EventDrained:
		text += ": " + reportText(ev.Report)
	}
	return text + reasonText(ev.Reason)
}

func reportText(r *DrainReport) string {
	text := fmt.Sprintf("%d finished, %d returned, %d lost", r.Finished, r.Returned, r.Lost)
	if len(r.Cancelled) > 0 {
		text += fmt.Sprintf(", cancelled %v", r.Cancelled)
	}
	if len(r.Abandoned) > 0 {
		text += fmt.Sprintf(", abandoned %v", r.Abandoned)
	}
	return text
}
