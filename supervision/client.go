package supervision

import (
	"context"

	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/internal/guard"
)

// StartChild starts a child and waits until it has processed Started. A static supervisor appends it to its children. It returns a *StartError if
// the child fails to start, and then forgets it; ErrIgnore if it declines; ErrConfig for a bad spec; an *AlreadyStartedError, which
// wraps ErrAlreadyStarted, or ErrAlreadyPresent if the ID is taken; ErrMaxChildren; ErrStopping; actor.ErrNoProcess if there is no
// such supervisor; or ctx.Err(): the child may run then.
//
// StartChild and the functions below block. They are for goroutines; an actor sends the request itself.
func StartChild(ctx context.Context, sys *actor.System, sup *actor.PID, spec ChildSpec) (*actor.PID, error) {
	return askPID(ctx, sys, sup, func(reply func(*actor.PID, error)) any { return &StartRequest{Spec: spec, Reply: reply, own: true} })
}

// TerminateChild stops a child and waits until it is gone; it isn't restarted, and takes no part in the automatic shutdown. A static supervisor
// still knows it, unless it is temporary: see RestartChild and DeleteChild. A restart that is on its way is called off. For a dynamic
// supervisor id may also be the Id of the child's PID. It returns ErrNotFound, ErrStopping, actor.ErrNoProcess or ctx.Err().
func TerminateChild(ctx context.Context, sys *actor.System, sup *actor.PID, id string) error {
	return askError(ctx, sys, sup, func(reply func(error)) any { return &TerminateRequest{ID: id, Reply: reply, own: true} })
}

// RestartChild starts a child of a static supervisor that doesn't run. It returns ErrRunning or ErrRestarting if there is nothing to do, a
// *StartError if the start fails (the child stays known), ErrIgnore if it declines, ErrNotFound, ErrStopping, actor.ErrNoProcess or
// ctx.Err(). A dynamic supervisor forgets children that don't run.
func RestartChild(ctx context.Context, sys *actor.System, sup *actor.PID, id string) (*actor.PID, error) {
	return askPID(ctx, sys, sup, func(reply func(*actor.PID, error)) any { return &RestartRequest{ID: id, Reply: reply, own: true} })
}

// DeleteChild makes a static supervisor forget a child that doesn't run. It returns ErrRunning or ErrRestarting for one that does, ErrNotFound,
// ErrStopping, actor.ErrNoProcess or ctx.Err(). A dynamic supervisor forgets children that don't run by itself.
func DeleteChild(ctx context.Context, sys *actor.System, sup *actor.PID, id string) error {
	return askError(ctx, sys, sup, func(reply func(error)) any { return &DeleteRequest{ID: id, Reply: reply, own: true} })
}

// Child returns the child with this ID; for a dynamic supervisor id may also be the Id of the child's PID. It returns ErrNotFound,
// ErrStopping, actor.ErrNoProcess or ctx.Err().
func Child(ctx context.Context, sys *actor.System, sup *actor.PID, id string) (ChildInfo, error) {
	return ask(ctx, sys, sup, func(reply func(ChildInfo, error)) any { return &ChildRequest{ID: id, Reply: reply, own: true} })
}

// Children returns all children: of a static supervisor in the order of their start, of a dynamic one in no order. It returns ErrStopping,
// actor.ErrNoProcess or ctx.Err().
func Children(ctx context.Context, sys *actor.System, sup *actor.PID) ([]ChildInfo, error) {
	return ask(ctx, sys, sup, func(reply func([]ChildInfo, error)) any { return &ChildrenRequest{Reply: reply, own: true} })
}

// Count returns how many children there are. It returns ErrStopping, actor.ErrNoProcess or ctx.Err().
func Count(ctx context.Context, sys *actor.System, sup *actor.PID) (Counts, error) {
	return ask(ctx, sys, sup, func(reply func(Counts, error)) any { return &CountRequest{Reply: reply, own: true} })
}

// CountTypes returns how many children of each type there are. It returns ErrStopping, actor.ErrNoProcess or ctx.Err().
func CountTypes(ctx context.Context, sys *actor.System, sup *actor.PID) (TypeCounts, error) {
	return ask(ctx, sys, sup, func(reply func(TypeCounts, error)) any { return &TypesRequest{Reply: reply, own: true} })
}

// Report says how a supervisor ended.
type Report struct {
	// Reason is the supervisor's exit reason: actor.ErrShutdown as a rule, actor.ErrNoProcess if it was gone already.
	Reason error
	// Abandoned are the children, at any depth, that did not end in time, and that still ran when the supervisor ended.
	Abandoned []Abandoned
}

// Stop stops a supervisor with all its children, in order, and waits until it is gone. If ctx ends before that it returns ctx.Err(), and the
// supervisor goes on stopping.
func Stop(ctx context.Context, sys *actor.System, sup *actor.PID) (Report, error) {
	reason, err := actor.Shutdown(ctx, sys, sup)
	if err != nil {
		return Report{}, err
	}
	return ReportOf(reason), nil
}

// ReportOf reads the report out of a supervisor's exit reason, for those who monitor it.
func ReportOf(reason error) Report {
	if left, ok := guard.As[*AbandonedError](reason); ok {
		return Report{Reason: left.Reason, Abandoned: left.Children}
	}
	return Report{Reason: reason}
}

type answered[T any] struct {
	value T
	err   error
}

func ask[T any](ctx context.Context, sys *actor.System, sup *actor.PID, request func(reply func(T, error)) any) (T, error) {
	a, err := actor.Ask(ctx, sys, sup, func(reply func(answered[T])) any {
		return request(func(v T, err error) { reply(answered[T]{v, err}) })
	})
	if err != nil {
		return a.value, err
	}
	return a.value, a.err
}

func askPID(ctx context.Context, sys *actor.System, sup *actor.PID, request func(func(*actor.PID, error)) any) (*actor.PID, error) {
	return ask(ctx, sys, sup, request)
}

func askError(ctx context.Context, sys *actor.System, sup *actor.PID, request func(func(error)) any) error {
	_, err := ask(ctx, sys, sup, func(reply func(struct{}, error)) any {
		return request(func(err error) { reply(struct{}{}, err) })
	})
	return err
}
