package rabbitmq

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/gentask/gentask/queue"
)

// Times of stores and buses.
const (
	callTimeout  = 4 * time.Second        // the longest that a broker which is away holds a call up
	seamDial     = 4 * time.Second        // for one connection, and all that is declared on it
	openTimeout  = time.Minute            // for the log of a store, over a slow network
	retryEvery   = 100 * time.Millisecond // between two attempts to connect
	refusedEvery = time.Second            // after one that the broker has refused
	writeTimeout = 2 * time.Second        // for one write that the network does not take
)

// seamLink is the connection of a bus or a store, with all that is declared on it.
type seamLink interface {
	// over is closed when the connection is of no more use.
	over() <-chan struct{}

	// leave closes it, and waits until its goroutines have ended.
	leave()
}

// keeper keeps one connection of a bus or a store: it makes another one whenever the last is over.
// It must be made by newKeeper, and closed. It is safe for concurrent use.
type keeper[L seamLink] struct {
	dial func(ctx context.Context) (L, error) // ends in time by itself
	life context.Context                      // ends with close; here, because all calls of the owner end with it
	end  context.CancelFunc
	work sync.WaitGroup

	mu      sync.Mutex
	link    L
	alive   bool
	err     error         // of the last attempt
	tries   int           // that have ended
	changed chan struct{} // closed when one of these is another
}

func newKeeper[L seamLink](dial func(ctx context.Context) (L, error)) *keeper[L] {
	life, end := context.WithCancel(context.Background())
	k := &keeper[L]{dial: dial, life: life, end: end, changed: make(chan struct{})}
	k.work.Go(k.run)
	return k
}

// run connects until close.
func (k *keeper[L]) run() {
	for k.life.Err() == nil {
		l, err := k.dial(k.life)
		k.set(l, err)
		if err != nil {
			wait := retryEvery
			if isFinal(err) {
				wait = refusedEvery
			}
			select {
			case <-time.After(wait):
			case <-k.life.Done():
			}
			continue
		}
		select {
		case <-l.over():
		case <-k.life.Done():
		}
		k.lose()
		l.leave()
	}
}

func (k *keeper[L]) set(l L, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.link, k.alive, k.err = l, err == nil, err
	k.tries++
	k.tell()
}

func (k *keeper[L]) lose() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.alive = false
	k.tell()
}

// tell wakes those that wait. The mutex must be held.
func (k *keeper[L]) tell() {
	close(k.changed)
	k.changed = make(chan struct{})
}

// current returns the connection, if there is one.
func (k *keeper[L]) current() (L, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.alive {
		select {
		case <-k.link.over():
		default:
			return k.link, true
		}
	}
	var none L
	return none, false
}

// get returns the connection. Without one it waits for an attempt that begins after it was called,
// and returns its error.
func (k *keeper[L]) get(ctx context.Context) (L, error) {
	var none L
	before, _, _ := k.state()
	for {
		if l, ok := k.current(); ok {
			return l, nil
		}
		tries, changed, err := k.state()
		switch {
		case k.life.Err() != nil:
			return none, k.closed()
		case err != nil && tries > before+1, isFinal(err) && tries > before:
			return none, err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return none, errors.Join(ctx.Err(), err)
		case <-k.life.Done():
		}
	}
}

// isFinal reports whether an attempt has failed in a way that another one will, too.
func isFinal(err error) bool { return errors.Is(err, ErrRefused) || errors.Is(err, queue.ErrConfig) }

// state returns how many attempts have ended, with what error the last one, and a channel that is
// closed when that changes.
func (k *keeper[L]) state() (tries int, changed <-chan struct{}, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.tries, k.changed, k.err
}

// close ends the connection, and waits for that. Every call ends.
func (k *keeper[L]) close() {
	k.end()
	k.work.Wait()
}

// closed returns an error after close.
func (k *keeper[L]) closed() error {
	if k.life.Err() != nil {
		return fmt.Errorf("rabbitmq: %w", queue.ErrClosed)
	}
	return nil
}

// call returns the context of a call: it ends with the caller's, with the owner, and in time.
func (k *keeper[L]) call(ctx context.Context) (context.Context, context.CancelFunc) {
	return k.within(ctx, callTimeout)
}

func (k *keeper[L]) within(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithTimeout(ctx, d)
	stop := context.AfterFunc(k.life, cancel)
	return ctx, func() {
		stop()
		cancel()
	}
}

// failed returns the error of a call of the owner, whose own context is ctx. It wraps
// queue.ErrUnavailable if nothing was written and the call may be repeated.
func (k *keeper[L]) failed(ctx context.Context, err error) error {
	switch {
	case err == nil:
		return nil
	case k.life.Err() != nil:
		return k.closed()
	case ctx.Err() != nil:
		return fmt.Errorf("rabbitmq: %w", ctx.Err())
	case errors.Is(err, queue.ErrConfig), errors.Is(err, queue.ErrTooLarge), errors.Is(err, queue.ErrUncertain):
		return err
	case errors.Is(err, ErrRefused):
		return fmt.Errorf("%w: %w", queue.ErrConfig, err)
	case errors.Is(err, queue.ErrUnavailable):
		return err
	}
	return fmt.Errorf("rabbitmq: %w: %w", queue.ErrUnavailable, err)
}

// checkSeam checks the arguments of Store and Bus.
func (b *Broker) checkSeam(ctx context.Context, name string) error {
	if err := queue.CheckSeamName(name); err != nil {
		return fmt.Errorf("rabbitmq: %w", err)
	}
	if b.publisher.closed.Load() {
		return fmt.Errorf("rabbitmq: broker: %w", queue.ErrClosed)
	}
	return ctx.Err()
}
