package memory

import (
	"context"
	"slices"
	"strconv"

	"github.com/gentask/gentask/queue"
)

// isolating is a session of a queue with a place for suspects: see [Config.Isolates].
type isolating struct{ *session }

var _ queue.Isolator = isolating{}

// Isolate implements [queue.Isolator]. A move counts as a release.
func (s isolating) Isolate(ctx context.Context, batch []queue.Settlement) error {
	s.q.mu.Lock()
	defer s.q.mu.Unlock()
	defer s.rouse() // a slot is free
	return s.each(ctx, batch, slices.All(batch), s.isolate)
}

// isolate moves the delivery of st.
func (s isolating) isolate(st *queue.Settlement) error {
	release := *st
	release.Disposition = queue.Release
	h, err := s.claim(&release)
	if err != nil {
		return err
	}
	s.q.stats.Released++
	it := h.back(h.attempts)
	it.Headers = with(it.Headers, queue.HeaderSuspect, strconv.Itoa(h.attempts-1))
	s.q.suspects.pushBack(it)
	return nil
}

// Isolated implements [queue.Isolator].
func (s isolating) Isolated(ctx context.Context) (int, error) {
	s.q.mu.Lock()
	defer s.q.mu.Unlock()
	if s.over != nil {
		return 0, s.gone()
	}
	return s.q.suspects.len(), ctx.Err()
}

// ReceiveIsolated implements [queue.Isolator].
func (s isolating) ReceiveIsolated(ctx context.Context) (*queue.Delivery, error) {
	q := s.q
	q.mu.Lock()
	defer q.mu.Unlock()
	if s.over != nil {
		return nil, s.gone()
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if q.strikes(&q.faults.LoseSession) {
		s.lose()
		return nil, s.gone()
	}
	if q.suspects.len() == 0 {
		return nil, nil //nolint:nilnil // none waits
	}
	d := s.handOut(q.suspects.popFront())
	d.Isolated = true
	return d, nil
}

// comeBack returns what a session has lost to where it came from.
func (q *Queue) comeBack(h holding) {
	it := h.back(h.Attempt + 1)
	if h.Isolated {
		q.suspects.pushFront(it)
		return
	}
	it.back = h.handed
	q.ready.pushFront(it)
}

// without returns a copy of headers without name.
func without(headers map[string]string, name string) map[string]string {
	if _, found := headers[name]; !found {
		return headers
	}
	headers = with(headers)
	delete(headers, name)
	return headers
}
