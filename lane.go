package gentask

import (
	"context"
	"sync"

	"github.com/gentask/gentask/queue"
)

// lane is a queue of settlements; what piles up while one batch is on its way makes the next.
type lane struct {
	mu    sync.Mutex
	next  batch
	spare batch
	ready chan struct{} // capacity 1
	call  call
}

// batch is settlements, each with its entry.
type batch struct {
	settlements []queue.Settlement
	entries     []*entry
}

func (b *batch) len() int { return len(b.entries) }

func (q *lane) push(e *entry, s queue.Settlement) {
	q.mu.Lock()
	q.next.settlements = append(q.next.settlements, s)
	q.next.entries = append(q.next.entries, e)
	first := q.next.len() == 1
	q.mu.Unlock()
	if !first {
		return // somebody has knocked already
	}
	select {
	case q.ready <- struct{}{}:
	default:
	}
}

// take waits for settlements; the batch is empty when ctx has ended.
func (q *lane) take(ctx context.Context) batch {
	for {
		q.mu.Lock()
		if b := q.next; b.len() > 0 {
			q.next, q.spare = q.spare, batch{}
			q.mu.Unlock()
			return b
		}
		q.mu.Unlock()
		select {
		case <-q.ready:
		case <-ctx.Done():
			return batch{}
		}
	}
}

// giveBack lets the lane use the memory of a batch again.
func (q *lane) giveBack(b batch) {
	clear(b.settlements)
	clear(b.entries)
	q.mu.Lock()
	defer q.mu.Unlock()
	q.spare = batch{settlements: b.settlements[:0], entries: b.entries[:0]}
}
