package nats

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	natsgo "github.com/nats-io/nats.go"

	"github.com/gentask/gentask/queue"
)

// Times of stores and buses.
const (
	callTimeout = 4 * time.Second        // the longest that a broker which is away holds a call up
	retryEvery  = 100 * time.Millisecond // between two attempts to connect
	blocked     = time.Second            // a request that continues after its context has ended
)

// access is the connection of a store or a bus. It is made when it is needed, and again after it
// was lost.
type access struct {
	broker *Broker
	name   string
	life   context.Context // ends with end; here, because all calls of the owner end with it
	end    context.CancelFunc
	turn   chan struct{} // capacity 1: holds an element while the connection is made

	mu   sync.Mutex
	link *link
}

func (b *Broker) access(name string) *access {
	life, end := context.WithCancel(context.Background())
	return &access{broker: b, name: b.config.name(name), life: life, end: end, turn: make(chan struct{}, 1)}
}

// close closes the connection. Every call ends.
func (a *access) close() {
	a.end()
	a.turn <- struct{}{}
	defer func() { <-a.turn }()
	if l := a.current(); l != nil {
		l.close()
	}
}

// closed returns an error if the owner was closed.
func (a *access) closed() error {
	if a.life.Err() != nil {
		return fmt.Errorf("nats: %w", queue.ErrClosed)
	}
	return nil
}

// call returns the context of a call: it ends with the caller's, with the owner, and in time.
func (a *access) call(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	stop := context.AfterFunc(a.life, cancel)
	return ctx, func() {
		stop()
		cancel()
	}
}

// current returns the connection; nil if there is none.
func (a *access) current() *link {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.link == nil || a.link.over() {
		return nil
	}
	return a.link
}

// get returns the connection, which it makes if need be.
func (a *access) get(ctx context.Context) (*link, error) {
	if l := a.current(); l != nil {
		return l, nil
	}
	select {
	case a.turn <- struct{}{}:
		defer func() { <-a.turn }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if err := a.closed(); err != nil {
		return nil, err
	}
	if l := a.current(); l != nil {
		return l, nil // another call made it meanwhile
	}
	l, err := a.broker.connect(ctx, a.name)
	if err != nil {
		return nil, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.link = l
	return l, nil
}

// failed returns the error of a call of the owner, whose own context is ctx. A call that has
// written nothing wraps queue.ErrUnavailable if it may be repeated.
func (a *access) failed(ctx context.Context, err error) error {
	switch {
	case err == nil:
		return nil
	case a.life.Err() != nil:
		return a.closed()
	case ctx.Err() != nil:
		return within(ctx, err)
	case errors.Is(err, queue.ErrConfig), errors.Is(err, queue.ErrTooLarge):
		return err
	case errors.Is(err, ErrRefused):
		return fmt.Errorf("%w: %w", queue.ErrConfig, err)
	}
	return fmt.Errorf("%w: %w", queue.ErrUnavailable, err)
}

// request sends a message, and returns the answer. If the user may not publish it, the error comes
// at once and wraps ErrRefused.
func (l *link) request(ctx context.Context, m *natsgo.Msg) (*natsgo.Msg, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer l.refusals.await(m.Subject, cancel)()
	returned := make(chan struct{})
	defer close(returned)
	defer context.AfterFunc(ctx, func() {
		select {
		case <-returned:
		case <-time.After(blocked): // a write that the network does not take
			l.fail(context.Cause(ctx))
		}
	})()
	answer, err := l.nc.RequestMsgWithContext(ctx, m)
	if cause := context.Cause(ctx); err != nil && errors.Is(cause, ErrRefused) {
		return nil, cause
	}
	return answer, err
}
