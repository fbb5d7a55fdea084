package memory

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"strconv"
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
	if m.UniqueKey != "" && q.keys.repeated(m.UniqueKey, now) {
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
	m.Headers, m.NotBefore, m.UniqueKey = maps.Clone(m.Headers), time.Time{}, ""
	m.Properties = m.Properties.OrNil()
	q.sequence++
	it := item{Message: m, attempt: used(m.Headers) + 1, sequence: q.sequence}
	q.stats.Published++
	q.note(Entry{Op: Published, ID: it.ID, Attempt: it.attempt})
	if after > 0 {
		q.delay(it, after)
		return m.ID, false
	}
	q.ready.pushBack(it)
	return m.ID, false
}

// used returns the number of attempts that were used up before this copy of a message was
// published, and 0 if the headers don't have it.
func used(headers map[string]string) int {
	text, ok := headers[queue.HeaderAttempts]
	if !ok {
		return 0
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		return 0
	}
	return int(max(0, min(n, maxUsed))) // out of range: the nearest number
}

// maxUsed is the upper limit for a counter from a header, which any program may have written, so
// that adding to it does not overflow.
const maxUsed = math.MaxInt32 / 4

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
