package dashboard

import (
	"context"
	"sync"
	"time"

	"github.com/gentask/gentask/internal/guard"
)

// gauge asks for one thing again and again. While a question has no answer, it is not asked again.
type gauge[T any] struct {
	hook *guard.Hook
	ask  func(context.Context) (T, error)

	mu   sync.Mutex
	busy chan struct{} // closed when the present question has its answer; nil without one
	last answer[T]
}

// answer is the last answer to a question, and how the next one stands.
type answer[T any] struct {
	value T
	err   error
	at    time.Time // of the answer; zero if there is none yet
	since time.Time // when the question began that has no answer yet; zero if there is none
}

// start asks, and gives up after limit. It returns a channel that is closed when there is an
// answer.
func (g *gauge[T]) start(life context.Context, wg *sync.WaitGroup, limit time.Duration) <-chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.busy != nil {
		return g.busy
	}
	done := make(chan struct{})
	g.busy, g.last.since = done, time.Now()
	wg.Go(func() {
		v, err := call(life, g.hook, func(ctx context.Context) (T, error) {
			ctx, cancel := context.WithTimeout(ctx, limit)
			defer cancel()
			return g.ask(ctx)
		})
		g.end(answer[T]{value: v, err: err, at: time.Now()})
		close(done)
	})
	return done
}

func (g *gauge[T]) end(a answer[T]) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.busy, g.last = nil, a
}

func (g *gauge[T]) read() answer[T] {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.last
}
