package supervision

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/gentask/gentask/actor"
)

var (
	// ErrConfig is wrapped by every error about a bad value in a spec. The error names the field,
	// its value, and the remedy.
	ErrConfig = errors.New("supervision: bad config")

	// ErrIntensity is wrapped by the exit reason of a supervisor whose children had to be restarted
	// too often. It is also wrapped by the reason in the [Ended] of a child that was given up for
	// that. It is a crash to the supervisor above: it never wraps [actor.ErrShutdown].
	ErrIntensity = errors.New("supervision: restart intensity exceeded")

	// ErrAlreadyStarted is wrapped by an [AlreadyStartedError]: a child of this ID runs, or will be
	// restarted.
	ErrAlreadyStarted = errors.New("supervision: child already started")

	// ErrAlreadyPresent is returned when a static supervisor has a child of this ID that doesn't
	// run. Restart or delete it.
	ErrAlreadyPresent = errors.New("supervision: child already present")

	// ErrNotFound is returned when there is no child of this ID.
	ErrNotFound = errors.New("supervision: no such child")

	// ErrRunning is returned when a child can't be restarted or deleted because it runs.
	ErrRunning = errors.New("supervision: child is running")

	// ErrRestarting is returned when a child can't be restarted or deleted because it will be
	// restarted anyway. Terminate it first.
	ErrRestarting = errors.New("supervision: child is restarting")

	// ErrMaxChildren is returned when a dynamic supervisor is full.
	ErrMaxChildren = errors.New("supervision: too many children")

	// ErrStopping is returned when the supervisor stops, or stopped before it could serve the
	// request.
	ErrStopping = errors.New("supervision: supervisor is stopping")

	// ErrIgnore is the exit reason of a child that declines to run, as with OTP's ignore: see the
	// package documentation. [StartChild] and [RestartChild] return an error that wraps it when the
	// child has declined.
	ErrIgnore = errors.New("supervision: child declined to start")

	// ErrPropsStuck is wrapped by the reason of a failed start if [ChildSpec.Props], or the
	// producer in the Props, has not returned in 5 s.
	ErrPropsStuck = errors.New("supervision: Props has not returned in time")

	// ErrNotAnswering is returned by [Tree] when the supervisor at its root does not answer in
	// time.
	ErrNotAnswering = errors.New("supervision: supervisor does not answer")

	// ErrRefused is wrapped by the reason in the [Ended] of a child whose [ChildSpec.BeforeRestart]
	// refused the restart.
	ErrRefused = errors.New("supervision: restart refused by BeforeRestart")
)

// IntensityError names the child whose failure was one too many. It wraps [ErrIntensity].
type IntensityError struct {
	// ID is the child whose failure was one too many.
	ID string
	// Restarts and Period are the limit.
	Restarts int
	Period   time.Duration
	// Reason is the last exit reason of the child. It is not wrapped: a permanent child may end
	// normally too often, and that is no normal end of the supervisor.
	Reason error
}

// Error names the child, the limit and the child's last reason.
func (e *IntensityError) Error() string {
	return fmt.Sprintf("%v: child %q: more than %d in %v, at last: %s",
		ErrIntensity, e.ID, e.Restarts, e.Period, reasonText(e.Reason))
}

// Unwrap returns [ErrIntensity].
func (e *IntensityError) Unwrap() error { return ErrIntensity }

// Stack returns the stack that Reason carries, or "".
func (e *IntensityError) Stack() string { return actor.Stack(e.Reason) }

// StartError reports that a child could not be started. It wraps Reason.
type StartError struct {
	ID     string
	Reason error
}

// Error names the child, with Reason.
func (e *StartError) Error() string {
	return fmt.Sprintf("supervision: child %q did not start: %v", e.ID, e.Reason)
}

// Unwrap returns Reason, and nil if that is [actor.ErrShutdown]: a child that was stopped while it
// started makes no clean end of the supervisor.
func (e *StartError) Unwrap() error {
	if actor.Abnormal(e.Reason) {
		return e.Reason
	}
	return nil
}

// AlreadyStartedError is returned when a child of this ID runs, or will be restarted. It wraps
// [ErrAlreadyStarted].
type AlreadyStartedError struct {
	ID string
	// PID is that of the child. It is nil while the child waits for its restart.
	PID *actor.PID
}

// Error names the child, and its PID if it has one.
func (e *AlreadyStartedError) Error() string {
	if e.PID == nil {
		return fmt.Sprintf("%v: %q is being restarted", ErrAlreadyStarted, e.ID)
	}
	return fmt.Sprintf("%v: %q is %s", ErrAlreadyStarted, e.ID, e.PID.Id)
}

// Unwrap returns [ErrAlreadyStarted].
func (e *AlreadyStartedError) Unwrap() error { return ErrAlreadyStarted }

// AbandonedError is the exit reason of a supervisor that had to leave children behind. These, at
// any depth, did not end in time, and still ran when the supervisor ended. It wraps Reason, which
// is [actor.ErrShutdown] for a supervisor that was stopped.
type AbandonedError struct {
	// Reason is why the supervisor ended.
	Reason error
	// Children are the children that still ran. It is never empty.
	Children []Abandoned
}

// Abandoned is a child that did not end in time, and whose goroutine still runs.
type Abandoned struct {
	// ID is the child's ID. For a child of a nested supervisor it follows that supervisor's ID and
	// a slash.
	ID  string
	PID *actor.PID
}

// Error returns why the supervisor ended, and names the first few children that it left behind.
func (e *AbandonedError) Error() string {
	const most = 5
	names := make([]string, 0, most)
	for _, a := range e.Children[:min(most, len(e.Children))] {
		names = append(names, a.ID)
	}
	return fmt.Sprintf("%s; %d children abandoned: %s",
		reasonText(e.Reason), len(e.Children), strings.Join(names, ", "))
}

// Unwrap returns Reason.
func (e *AbandonedError) Unwrap() error { return e.Reason }

func reasonText(reason error) string {
	if reason == nil {
		return "normal end"
	}
	return reason.Error()
}

// badField returns an error that wraps ErrConfig.
func badField(field string, got any, want string) error {
	return fmt.Errorf("%w: %s is %v: it must be %s", ErrConfig, field, got, want)
}

// about wraps one of the sentinels with the child's ID.
func about(err error, id string) error { return fmt.Errorf("%w: %q", err, id) }
