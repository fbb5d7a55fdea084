package telemetry

import (
	"context"
	"sync"
	"time"

	"github.com/gentask/gentask/internal/guard"
)

const (
	// lookLimit bounds one look at a broker.
	lookLimit = 5 * time.Second

	// keepLooking is how long the broker is asked after metrics were last collected. It is longer
	// than the usual intervals between two collections, so each one finds figures that are fresh.
	keepLooking = 3 * time.Minute

	// staleAfter is how many intervals a figure is shown if no look succeeds.
	staleAfter = 3
)

// figures are the results of a look. An unknown one is nil.
type figures struct {
	waiting, letters *int
	oldest           *time.Duration
}

// probe looks at a broker now and then, beside the collection of metrics.
type probe struct {
	*contained
	every  time.Duration
	look   func(context.Context) (figures, error)
	wanted chan struct{} // somebody has collected, and the probe sleeps
	cancel context.CancelFunc
	over   sync.WaitGroup

	mu    sync.Mutex
	found figures
	at    time.Time // of found
	asked time.Time // when metrics were last collected
}

// newProbe returns a probe, which must be stopped. It does not look until it is asked.
func newProbe(cfg Config, name string, look func(context.Context) (figures, error)) *probe {
	p := &probe{
		contained: newContained(name), every: cfg.interval(), look: look, wanted: make(chan struct{}, 1),
	}
	ctx, cancel := context.WithCancel(context.Background())
	p.cancel = cancel
	p.over.Go(func() { p.run(ctx) })
	return p
}

// stop ends the probe. A look that does not end with its context is left behind.
func (p *probe) stop() {
	p.cancel()
	p.over.Wait()
}

// last returns what was found last. It does not block.
func (p *probe) last() figures {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked = time.Now()
	select {
	case p.wanted <- struct{}{}:
	default:
	}
	if time.Since(p.at) > staleAfter*p.every+lookLimit {
		return figures{}
	}
	return p.found
}

// run looks at intervals while somebody collects.
func (p *probe) run(ctx context.Context) {
	for p.sleep(ctx) {
		found, err := p.once(ctx)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			p.complain(err)
		}
		if found != (figures{}) {
			p.mu.Lock()
			p.found, p.at = found, time.Now()
			p.mu.Unlock()
		}
		select {
		case <-time.After(p.every):
		case <-ctx.Done():
			return
		}
	}
}

// sleep returns true when somebody has collected within keepLooking, or does so; false when ctx
// ends.
func (p *probe) sleep(ctx context.Context) bool {
	p.mu.Lock()
	awake := time.Since(p.asked) < keepLooking
	p.mu.Unlock()
	if awake {
		return ctx.Err() == nil
	}
	select {
	case <-p.wanted:
		return true
	case <-ctx.Done():
		return false
	}
}

// once looks, for lookLimit at most. The driver is code of others: it is called contained.
func (p *probe) once(ctx context.Context) (figures, error) {
	type answer struct {
		figures
		err error
	}
	a, err := guard.Call(ctx, p.looking, func(ctx context.Context) (answer, error) {
		f, err := p.look(ctx)
		return answer{f, guard.Seal(err)}, nil // what was found counts, too
	})
	if err != nil {
		return figures{}, err
	}
	return a.figures, a.err
}
