package memory

import "github.com/gentask/gentask/queue"

// Bury puts messages among the dead letters, as a stranger would at a broker.
func (q *Queue) Bury(msgs ...queue.Message) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, m := range msgs {
		q.letters.add(m)
	}
}
