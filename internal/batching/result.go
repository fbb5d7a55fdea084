package batching

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
)

// ErrNoResult is the error of a member that the function has returned neither a result for, nor an
// error.
var ErrNoResult = errors.New("gentask: no result for this job of the batch")

// Result is what became of a member.
type Result struct {
	// Err is nil if the job is done. Its meaning depends on Ending.
	Err error

	// Ending is how the batch ended for the member.
	Ending Ending

	// Leader is the member whose task was told to stop, and Cause is why. Both are nil unless
	// Ending is Stopped.
	Leader *Member
	Cause  error
}

// Ending is how a batch ended for one of its members. The set is closed.
type Ending uint8

const (
	// Own means that Err is the member's own. It is the result that the function has returned for
	// it; without one, the error of the function, or else [ErrNoResult]. For a member that was told
	// to stop, and has left or waited in vain, it is the cause.
	Own Ending = iota

	// Panicked means that the function panicked. Err is the panic with its stack, for all members,
	// also those with a result.
	Panicked

	// Exited means that the function called [runtime.Goexit]. Err is that with its stack, as for
	// Panicked.
	Exited

	// Stopped means that the member has no result, and that the task of the leader, which is
	// another one, was told to stop. Err is what it would be otherwise.
	Stopped
)

// String returns the name of the ending.
func (e Ending) String() string {
	switch e {
	case Own:
		return "own"
	case Panicked:
		return "panicked"
	case Exited:
		return "exited"
	case Stopped:
		return "stopped"
	}
	return "ending(" + strconv.Itoa(int(e)) + ")"
}

// result returns that of m. The batch must be over.
func (b *batch) result(m *Member) Result {
	o := &b.outcome
	if o.fault != nil {
		return Result{Err: o.fault, Ending: o.ending}
	}
	if err, ok := o.results[m.ID]; ok {
		return Result{Err: err}
	}
	err := o.err
	if err == nil {
		err = b.noResult()
	}
	return b.without(m, err)
}

// without returns the result of a member that the function has none for. The batch must be over or
// interrupted.
func (b *batch) without(m *Member, err error) Result {
	if b.cause == nil || m == b.leader {
		return Result{Err: err}
	}
	return Result{Err: err, Ending: Stopped, Leader: b.leader, Cause: b.cause}
}

// noResult returns ErrNoResult. It wraps it if the function has taken something else for the ID.
func (b *batch) noResult() error {
	var strange []string
	for id := range b.outcome.results {
		if !b.ids[id] {
			strange = append(strange, id)
		}
	}
	if strange == nil {
		return ErrNoResult
	}
	slices.Sort(strange)
	return fmt.Errorf(
		"%w; there are results for %d IDs that are not of the batch, such as %.60q; want those of Job.ID",
		ErrNoResult, len(strange), strange[0])
}
