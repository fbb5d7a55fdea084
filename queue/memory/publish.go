package memory

import (
	"context"
	"fmt"
	"maps"
	"time"

	"github.com/gentask/gentask/queue"
)

// Publish adds all messages or none: to the tail of their priority, at once or when they are due.
// It copies headers and properties. It returns a [*queue.PublishError] if ctx ends before, also
// while [Faults] block it, if the queue is closed, or if one of the messages is invalid.
func (q *Queue) Publish(ctx context.Context, msgs ...queue.Message) error {
	return q.publish(ctx, msgs, nil)
}

// PublishResults implements queue.ResultPublisher.
func (q *Queue) PublishResults(ctx context.Context, msgs ...queue.Message) ([]queue.PublishResult, error) {
	results := make([]queue.PublishResult, len(msgs))
	err := q.publish(ctx, msgs, results)
	if failed, ok := err.(*queue.PublishError); ok { //nolint:errorlint // made by notPublished
		for i, f := range failed.Failed {
			results[i] = queue.PublishResult{ID: f.ID, Err: f.Err}
		}
	}
	return results, err
}

// publish fills in results, unless there are none, when it has published.
func (q *Queue) publish(ctx context.Context, msgs []queue.Message, results []queue.PublishResult) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	err := q.bad
	if err == nil {
		err = q.admit(ctx)
	}
	if err == nil && q.closed {
		err = queue.ErrClosed
	}
	if err == nil {
		err = q.check(msgs)
	}
	if err != nil {
		return notPublished(err, msgs)
	}
	for i := range msgs {
		id, repeated := q.accept(msgs[i])
		if results != nil {
			results[i] = queue.PublishResult{ID: id, Duplicate: repeated}
		}
	}
	q.wake()
	return nil
}

// admit waits while Faults delay or block publishers. It releases the lock while it waits.
func (q *Queue) admit(ctx context.Context) error {
	for q.faults.BlockPublish && !q.closed {
		changed := q.changed
		q.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
		}
		q.mu.Lock()
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	slow := q.faults.SlowPublish
	if slow <= 0 {
		return ctx.Err()
	}
	q.mu.Unlock()
	defer q.mu.Lock()
	return sleep(ctx, slow, nil)
}

// accept puts one message behind the tail, or where it waits for its time. A copy that a driver
// published goes on with its attempts. It returns the message's id, and whether the message was
// dropped as a repetition.
func (q *Queue) accept(m queue.Message) (id string, repeated bool) {
	if m.ID == "" {
		m.ID = fmt.Sprintf("%016x%016x", q.rng.Uint64(), q.rng.Uint64())
	}
	now := time.Now()
	if q.repeated(&m) {
		q.stats.Repeated++
		q.note(Entry{Op: Repeated, ID: m.ID})
		return m.ID, true
	}
	if m.Time.IsZero() {
		m.Time = now
	}
	after := time.Duration(0)
	if !m.NotBefore.IsZero() {
		after = m.NotBefore.Sub(now)
	}
	q.sequence++
	if m.UniqueUntil == queue.UntilDone {
		q.locks.take(m.UniqueKey, q.sequence)
	}
	m.Headers, m.NotBefore, m.UniqueKey, m.UniqueUntil = maps.Clone(m.Headers), time.Time{}, "", 0
	m.Properties = m.Properties.OrNil()
	used, _ := queue.UsedUp(m.Headers)
	it := item{Message: m, attempt: used + 1, sequence: q.sequence}
	q.stats.Published++
	q.note(Entry{Op: Published, ID: it.ID, Attempt: it.attempt})
	if after > 0 {
		q.delay(it, after)
		return m.ID, false
	}
	q.ready.pushBack(it)
	return m.ID, false
}

// notPublished returns an error for every message of a publish that failed.
func notPublished(err error, msgs []queue.Message) error {
	if len(msgs) == 0 {
		return err
	}
	failed := make([]queue.PublishFailure, len(msgs))
	for i := range msgs {
		failed[i] = queue.PublishFailure{ID: msgs[i].ID, Err: err}
	}
	return &queue.PublishError{Failed: failed}
}
