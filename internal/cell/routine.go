package cell

import (
	pa "github.com/asynkron/protoactor-go/actor"

	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/internal/guard"
	"github.com/gentask/gentask/internal/process"
)

// Body runs in a routine.
type Body interface {
	// Run does the work. It may panic and call runtime.Goexit.
	Run() error

	// Cancel is called when the routine is stopped, perhaps more than once, perhaps after its end.
	// It must not block. The routine ends when Run returns.
	Cancel()

	// Ended is called once, as the last thing, on a goroutine that has nothing else to do. reason
	// is the error of Run, or an [actor.PanicError] or [actor.GoexitError]. The routine is out of
	// the registry by then, and its end has been reported. Ended must not panic: nothing would
	// recover it.
	Ended(reason error)
}

// Routine is an actor without a mailbox: a goroutine that runs one function once. It can be
// addressed, watched, monitored and stopped, and is never restarted. It costs a fraction of a full
// actor. The zero value is ready for Start. A Routine must not be copied afterwards.
type Routine struct {
	address
	body Body
}

// Start runs body on a goroutine of its own. name is the first part of the Id of its PID, and the
// rest is made up. It must be called once.
func (r *Routine) Start(sys *actor.System, name string, body Body) {
	r.mu.Lock()
	r.sys, r.name, r.body = sys, name, body
	r.mu.Unlock()
	process.Go(sys, r.run)
}

// PID returns the routine's address, or nil before Start. The first call enters it into the
// registry.
func (r *Routine) PID() *pa.PID { return r.take(r) }

// run ends on another goroutine if the body called runtime.Goexit: that ends this one, even if a
// panic in between was recovered.
func (r *Routine) run() {
	var reason error
	returned := false
	defer func() {
		if !returned {
			process.Go(r.sys, func() { r.end(reason) })
		}
	}()
	r.try(&reason)
	returned = true
	growLittle() // for the report of the end; a body that blocks in a few frames makes do with half of it
	r.end(reason)
}

// try runs the body and notes how that ended, also if it doesn't return.
func (r *Routine) try(reason *error) {
	returned := false
	defer func() {
		if failure := actor.Recovered(recover(), returned); failure != nil {
			*reason = failure
		}
	}()
	*reason = guard.Seal(r.body.Run())
	returned = true
}

func (r *Routine) end(reason error) {
	r.leave(reason)
	r.mu.Lock()
	body := r.body
	r.body = nil // a PID can outlive the routine, and must not keep its work in memory
	r.mu.Unlock()
	body.Ended(reason)
}

// SendUserMessage cancels the routine for a PoisonPill, and answers a Touch. All other messages are
// dead letters: a routine has no mailbox.
func (r *Routine) SendUserMessage(pid *pa.PID, msg any) {
	switch plain := unwrap(pid, msg).(type) {
	case *pa.PoisonPill:
		r.cancel()
	case *touched:
		process.Notify(r.sys, plain.sender, &pa.Touched{Who: plain.who})
	default:
		r.sys.DeadLetter.SendUserMessage(pid, msg)
	}
}

// SendSystemMessage handles watchers and stops for protoactor-go. A Restart is a stop, as for all
// actors of this module.
func (r *Routine) SendSystemMessage(_ *pa.PID, msg any) {
	switch msg.(type) {
	case *pa.Stop, *pa.Restart, *process.Exit:
		r.cancel()
	default:
		r.system(msg)
	}
}

// Stop stops the routine for protoactor-go.
func (r *Routine) Stop(*pa.PID) { r.cancel() }

func (r *Routine) cancel() {
	r.mu.Lock()
	body := r.body
	r.mu.Unlock()
	if body != nil {
		body.Cancel()
	}
}

// Native marks the routine as a process of this module.
func (*Routine) Native() {}
