package memory

import "github.com/gentask/gentask/queue"

// Bury adds messages to the dead letters, as another program would at a broker.
func (q *Queue) Bury(msgs ...queue.Message) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, m := range msgs {
		q.letters.add(m, "")
	}
}
