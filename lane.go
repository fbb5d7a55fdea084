package gentask

import (
	"context"
	"sync"

	"github.com/gentask/gentask/queue"
)

// lane is a queue of settlements; what piles up while one batch is on its way makes the next.
type lane struct {
	mu    sync.Mutex
	batch []queue.Settlement
	ready chan struct{} // capacity 1
}

func (q *lane) push(s queue.Settlement) {
	q.mu.Lock()
	q.batch = append(q.batch, s)
	q.mu.Unlock()
	select {
	case q.ready <- struct{}{}:
	default:
	}
}

// take waits for settlements, and returns nil when ctx ends.
func (q *lane) take(ctx context.Context) []queue.Settlement {
	for {
		q.mu.Lock()
		if batch := q.batch; len(batch) > 0 {
			q.batch = make([]queue.Settlement, 0, len(batch)) // the next one is about as long
			q.mu.Unlock()
			return batch
		}
		q.mu.Unlock()
		select {
		case <-q.ready:
		case <-ctx.Done():
			return nil
		}
	}
}
