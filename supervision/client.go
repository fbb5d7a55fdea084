package supervision

import (
	"context"

	"github.com/gentask/gentask/actor"
)

// StartChild starts a child and waits until it has processed Started. A static supervisor appends
// it to its children. It returns:
//
//   - a [*StartError] if the child fails to start: the supervisor then forgets it;
//   - [ErrIgnore], wrapped, if the child declines;
//   - [ErrConfig] for a bad spec, and [ErrMaxChildren] if the supervisor is full;
//   - an [*AlreadyStartedError] or [ErrAlreadyPresent] if the ID is taken;
//   - [ErrStopping], or [actor.ErrNoProcess] if there is no such supervisor;
//   - ctx.Err() if ctx ends first: the child may run then.
//
// StartChild and the functions below block. An actor must call them on a goroutine of its own, and
// send itself the result.
func StartChild(ctx context.Context, sys *actor.System, sup *actor.PID, spec ChildSpec) (*actor.PID, error) {
	return ask(ctx, sys, sup, func(reply func(*actor.PID, error)) any {
		return &startRequest{Spec: spec, Reply: reply}
	})
}

// TerminateChild stops a child and waits until it is gone. The child is not restarted, a restart
// that is on its way is called off, and the end doesn't count for the automatic shutdown. A static
// supervisor keeps the child's spec, unless it is temporary: see [RestartChild] and [DeleteChild].
//
// For a dynamic supervisor id may also be the Id of the child's PID. TerminateChild returns
// [ErrNotFound], [ErrStopping], [actor.ErrNoProcess] or ctx.Err().
func TerminateChild(ctx context.Context, sys *actor.System, sup *actor.PID, id string) error {
	return askError(ctx, sys, sup, func(reply func(error)) any {
		return &terminateRequest{ID: id, Reply: reply}
	})
}

// RestartChild starts a child of a static supervisor that doesn't run. It returns [ErrRunning] or
// [ErrRestarting] for one that does, and [ErrIgnore] if it declines. If the start fails it returns
// a [*StartError], and the supervisor keeps the spec. Other errors are [ErrNotFound],
// [ErrStopping], [actor.ErrNoProcess] and ctx.Err().
//
// A dynamic supervisor forgets children that don't run.
func RestartChild(ctx context.Context, sys *actor.System, sup *actor.PID, id string) (*actor.PID, error) {
	return ask(ctx, sys, sup, func(reply func(*actor.PID, error)) any {
		return &restartRequest{ID: id, Reply: reply}
	})
}

// DeleteChild makes a static supervisor forget a child that doesn't run. It returns [ErrRunning] or
// [ErrRestarting] for one that does, and [ErrNotFound], [ErrStopping], [actor.ErrNoProcess] or
// ctx.Err(). A dynamic supervisor forgets children that don't run by itself.
func DeleteChild(ctx context.Context, sys *actor.System, sup *actor.PID, id string) error {
	return askError(ctx, sys, sup, func(reply func(error)) any {
		return &deleteRequest{ID: id, Reply: reply}
	})
}

// Child returns the child with this ID. For a dynamic supervisor id may also be the Id of the
// child's PID. It returns [ErrNotFound], [ErrStopping], [actor.ErrNoProcess] or ctx.Err().
func Child(ctx context.Context, sys *actor.System, sup *actor.PID, id string) (ChildInfo, error) {
	return ask(ctx, sys, sup, func(reply func(ChildInfo, error)) any {
		return &childRequest{ID: id, Reply: reply}
	})
}

// Children returns all children: of a static supervisor in the order of their start, of a dynamic
// one in no order. It returns [ErrStopping], [actor.ErrNoProcess] or ctx.Err().
func Children(ctx context.Context, sys *actor.System, sup *actor.PID) ([]ChildInfo, error) {
	return ask(ctx, sys, sup, func(reply func([]ChildInfo, error)) any {
		return &childrenRequest{Reply: reply}
	})
}

// Count returns how many children there are. It returns [ErrStopping], [actor.ErrNoProcess] or
// ctx.Err().
func Count(ctx context.Context, sys *actor.System, sup *actor.PID) (Counts, error) {
	return ask(ctx, sys, sup, func(reply func(Counts, error)) any {
		return &countRequest{Reply: reply}
	})
}

type answered[T any] struct {
	value T
	err   error
}

func ask[T any](
	ctx context.Context, sys *actor.System, sup *actor.PID, request func(reply func(T, error)) any,
) (T, error) {
	a, err := actor.Ask(ctx, sys, sup, func(reply func(answered[T])) any {
		return request(func(v T, err error) { reply(answered[T]{v, err}) })
	})
	if err != nil {
		return a.value, err
	}
	return a.value, a.err
}

func askError(ctx context.Context, sys *actor.System, sup *actor.PID, request func(func(error)) any) error {
	_, err := ask(ctx, sys, sup, func(reply func(struct{}, error)) any {
		return request(func(err error) { reply(struct{}{}, err) })
	})
	return err
}
