package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/gentask/gentask/queue"
)

// Open implements [queue.Source]. It makes two connections, and takes a lease. Options.Name is
// shown in the application_name of the connections, and in the table of sessions. The error wraps
// [ErrVersion] if the schema is missing, too old or too new, and [queue.ErrUnavailable] if the
// server is a standby, starts, or has no connection left.
func (q *Queue) Open(ctx context.Context, opts queue.Options) (queue.Session, error) {
	if err := checkName(q.name); err != nil {
		return nil, err
	}
	if opts.Prefetch < 1 {
		return nil, fmt.Errorf("postgres: %w: Options.Prefetch is %d, must be at least 1",
			queue.ErrConfig, opts.Prefetch)
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s, err := q.open(ctx, opts)
	if err != nil {
		if ctx.Err() != nil {
			err = errors.Join(ctx.Err(), err)
		}
		return nil, fmt.Errorf("postgres: queue %q: %w", q.name, explain(err))
	}
	return s, nil
}

// open starts a session, with its goroutines.
func (q *Queue) open(ctx context.Context, opts queue.Options) (*session, error) {
	b := q.broker
	s := &session{
		broker: b, queue: q.name, prefetch: opts.Prefetch, inOrder: q.inOrder,
		kick: make(chan struct{}, 1), over: make(chan struct{}), changed: make(chan struct{}),
		held: map[uint64]*holding{}, hurry: true,
	}
	title := storableName(q.name + " " + opts.Name)
	keep, err := b.connect(ctx, "gentask lease "+title)
	if err != nil {
		return nil, err
	}
	s.keeper = newKeeper(s, keep)
	if err := s.keeper.start(ctx, opts.Name); err != nil {
		keep.close()
		return nil, err
	}
	work, err := b.connect(ctx, "gentask "+title)
	if err != nil {
		s.keeper.undo()
		return nil, err
	}
	s.intake, s.upkeep = newIntake(s, work), newUpkeep(s)
	run, stop := context.WithCancel(context.WithoutCancel(ctx))
	s.stop = stop
	s.wg.Go(func() { s.intake.run(run) })
	s.wg.Go(func() { s.keeper.run(run) })
	s.wg.Go(func() { s.upkeep.run(run) })
	return s, nil
}

// storableName returns name if the server can show it.
func storableName(name string) string {
	if !storable(name) {
		return "?"
	}
	return name
}
