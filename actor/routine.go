package actor

import (
	"sync"

	pa "github.com/asynkron/protoactor-go/actor"
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
	sys      *System
	pid      *PID
	mu       sync.Mutex
	watchers pa.PIDSet
	ended    bool
	reason   error
	body     Body
}

// Start runs body in a goroutine of its own. The name is made unique. It may be called once.
func (r *Routine) Start(sys *System, name string, body Body) {
	r.sys, r.body = sys, body
	r.pid, _ = sys.ProcessRegistry.Add(r, name+sys.ProcessRegistry.NextId())
	r.schedule(r.run)
}

func (r *Routine) schedule(f func()) {
	if d := dispatcherOf(r.sys, nil); d != nil {
		d.Schedule(f)
		return
	}
	go f()
}

// PID returns the routine's address, or nil before Start.
func (r *Routine) PID() *PID { return r.pid }

// run ends on another goroutine if the body called runtime.Goexit: that takes this one, even if a panic in between was recovered.
func (r *Routine) run() {
	var reason error
	returned := false
	defer func() {
		if !returned {
			r.schedule(func() { r.end(reason) })
		}
	}()
	r.try(&reason)
	returned = true
	growStack() // for what hears of the end; before, a body that blocks in a few frames makes do with half of it
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
	*reason = r.body.Run()
	returned = true
}

func (r *Routine) end(reason error) {
	r.sys.ProcessRegistry.Remove(r.pid)
	r.mu.Lock()
	r.ended, r.reason = true, reason
	watchers := r.watchers
	r.watchers = pa.PIDSet{}
	body := r.body
	r.body = nil // a PID can outlive the routine; what it worked on must not
	r.mu.Unlock()
	watchers.ForEach(func(_ int, w *PID) { r.tell(w) })
	body.Ended(reason)
}

// SendUserMessage passes the message to the dead letters: a routine has no mailbox.
func (r *Routine) SendUserMessage(_ *PID, msg any) {
	r.sys.DeadLetter.SendUserMessage(r.pid, msg)
}

// SendSystemMessage hears watchers and stops.
func (r *Routine) SendSystemMessage(_ *PID, msg any) {
	switch msg := msg.(type) {
	case *pa.Watch:
		r.watch(msg.Watcher)
	case *pa.Unwatch:
		r.unwatch(msg.Watcher)
	case *pa.Stop, *exitCall:
		r.cancel()
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

func (r *Routine) watch(watcher *PID) {
	r.mu.Lock()
	ended := r.ended
	if !ended {
		r.watchers.Add(watcher)
	}
	r.mu.Unlock()
	if ended {
		r.tell(watcher)
	}
}

func (r *Routine) unwatch(watcher *PID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.watchers.Remove(watcher)
}

// tell is called after the end: reason doesn't change any more.
func (r *Routine) tell(watcher *PID) {
	tellEnd(r.sys, watcher, &Exited{PID: r.pid, Reason: r.reason})
}
