package postgres

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/gentask/gentask/queue"
)

// calls is what stores and buses have in common: how they call the server, and how they end.
type calls struct {
	broker *Broker
	life   context.Context // ends with end; here, because all calls end with it
	cancel context.CancelFunc
	tasks  sync.WaitGroup // which end waits for
}

// callTimeout is the longest that a server which is away holds a call up.
const callTimeout = 4 * time.Second

func newCalls(b *Broker) *calls {
	life, cancel := context.WithCancel(context.Background())
	return &calls{broker: b, life: life, cancel: cancel}
}

// end ends every call, and waits for the tasks.
func (c *calls) end() {
	c.cancel()
	c.tasks.Wait()
}

// closed returns an error after end.
func (c *calls) closed() error {
	if c.life.Err() != nil {
		return fmt.Errorf("postgres: %w", queue.ErrClosed)
	}
	return nil
}

// ready returns the first reason why a call can't be served; bad is about its arguments.
func (c *calls) ready(ctx context.Context, bad ...error) error {
	if err := errors.Join(bad...); err != nil {
		return fmt.Errorf("postgres: %w", err)
	}
	if err := c.closed(); err != nil {
		return err
	}
	return ctx.Err()
}

// bounded returns the context of a call: it ends with the caller's, with the owner, and in time.
func (c *calls) bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	stop := context.AfterFunc(c.life, cancel)
	return ctx, func() {
		stop()
		cancel()
	}
}

// read executes what may be repeated, and repeats it once if the connection was dead.
func (c *calls) read(ctx context.Context, f func(ctx context.Context) error) error {
	call, done := c.bounded(ctx)
	defer done()
	err := f(call)
	if err != nil && code(err) == "" && call.Err() == nil {
		err = f(call)
	}
	return c.failed(ctx, err)
}

// change executes a statement that writes, and repeats it if others have disturbed it. Its error
// wraps queue.ErrUncertain if it may have been applied.
func (c *calls) change(ctx context.Context, f func(ctx context.Context) error) error {
	call, done := c.bounded(ctx)
	defer done()
	var err error
	for range maxRepeats {
		if err = f(call); !repeatable(err) || call.Err() != nil {
			break
		}
	}
	if err == nil || safe(err) {
		return c.failed(ctx, err)
	}
	err = fmt.Errorf("%w: %w", queue.ErrUncertain, explain(err))
	if c.life.Err() != nil {
		err = fmt.Errorf("%w: %w", queue.ErrClosed, err)
	}
	if ctx.Err() != nil {
		err = errors.Join(ctx.Err(), err)
	}
	return err
}

// failed returns the error of a call that has written nothing, whose own context is ctx.
func (c *calls) failed(ctx context.Context, err error) error {
	switch {
	case err == nil:
		return nil
	case c.life.Err() != nil:
		return c.closed()
	case ctx.Err() != nil:
		return errors.Join(ctx.Err(), err)
	}
	err = explain(err)
	switch {
	case errors.Is(err, queue.ErrUnavailable), errors.Is(err, queue.ErrTooLarge), errors.Is(err, ErrVersion):
		return fmt.Errorf("postgres: %w", err)
	case code(err) == codeNoRight:
		return fmt.Errorf("postgres: %w: %w", queue.ErrConfig, err)
	case errors.Is(err, pgx.ErrNoRows), code(err) != "" && !repeatable(err):
		return fmt.Errorf("postgres: %w", err)
	}
	return fmt.Errorf("postgres: %w: %w", queue.ErrUnavailable, err)
}
