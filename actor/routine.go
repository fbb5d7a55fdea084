package actor

import (
	pa "github.com/asynkron/protoactor-go/actor"

	"github.com/gentask/gentask/internal/guard"
)

// Body is what a routine runs.
type Body interface {
	// Run does the work. It may panic and call runtime.Goexit.
	Run() error

	// Cancel is called when somebody stops the routine, perhaps more than once, perhaps after its end. It must not block. The routine ends
	// when Run returns.
	Cancel()

	// Ended is called once, as the last thing, on a goroutine that has nothing else to do: reason is what Run returned, or a *PanicError or
	// *GoexitError. The routine is out of the registry by then, and its watchers have been told. It must not panic: nobody is left to recover.
	Ended(reason error)
}

// Routine is an actor without a mailbox: a goroutine that runs one function once, can be addressed, watched, monitored and stopped, and is
// never restarted. It costs a fraction of a full actor. Its zero value is ready for Start; it must not be copied afterwards.
type Routine struct {
	address
	body Body
}

// Start runs body in a goroutine of its own. name is the first part of its PID's Id; the rest is made up. It may be called once.
func (r *Routine) Start(sys *System, name string, body Body) {
	r.mu.Lock()
	r.sys, r.name, r.body = sys, name, body
	r.mu.Unlock()
	schedule(sys, r.run)
}

// PID returns the routine's address, or nil before Start. The first call enters it into the registry.
func (r *Routine) PID() *PID { return r.take(r) }

// run ends on another goroutine if the body called runtime.Goexit: that takes this one, even if a panic in between was recovered.
func (r *Routine) run() {
	var reason error
	returned := false
	defer func() {
		if !returned {
			schedule(r.sys, func() { r.end(reason) })
		}
	}()
	r.try(&reason)
	returned = true
	growLittle() // for what hears of the end; before, a body that blocks in a few frames makes do with half of it
	r.end(reason)
}

// try runs the body and finds out how that ended, also when it doesn't return.
func (r *Routine) try(reason *error) {
	returned := false
	defer func() {
		if failure := Recovered(recover(), returned); failure != nil {
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
	r.body = nil // a PID can outlive the routine; what it worked on must not
	r.mu.Unlock()
	body.Ended(reason)
}

// SendUserMessage cancels the routine for a PoisonPill, and answers a Touch. All else is a dead
// letter: a routine has no mailbox.
func (r *Routine) SendUserMessage(pid *PID, msg any) {
	switch plain := unwrap(pid, msg).(type) {
	case *pa.PoisonPill:
		r.cancel()
	case *touched:
		Notify(r.sys, plain.sender, &pa.Touched{Who: plain.who})
	default:
		r.sys.DeadLetter.SendUserMessage(pid, msg)
	}
}

// SendSystemMessage hears watchers and stops. A Restart is a stop, as it is to all actors of this
// package.
func (r *Routine) SendSystemMessage(_ *PID, msg any) {
	switch msg.(type) {
	case *pa.Stop, *pa.Restart, *exitCall:
		r.cancel()
	default:
		r.system(msg)
	}
}

// Stop is what protoactor-go calls to stop the routine.
func (r *Routine) Stop(*PID) { r.cancel() }

func (r *Routine) cancel() {
	r.mu.Lock()
	body := r.body
	r.mu.Unlock()
	if body != nil {
		body.Cancel()
	}
}
