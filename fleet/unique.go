package fleet

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/gentask/gentask/internal/guard"
	"github.com/gentask/gentask/queue"
)

// UniquePublisher is a publisher that compares [queue.Message.UniqueKey] by the store of a fleet.
// Use [Node.Unique] to make one. Its methods are safe for concurrent use.
type UniquePublisher struct {
	node   *Node
	queue  string
	to     queue.Publisher
	window time.Duration
}

// maxWindow is the longest window of unique keys.
const maxWindow = 365 * 24 * time.Hour

// Unique returns a publisher over p for a broker that compares no keys, such as RabbitMQ's. Package
// schedule can use it. All such publishers of the fleet for the queue of that name compare with
// each other; those of another name, and publications past them, are not seen. The window is how
// long a key is remembered after its message was published: more than zero, at most a year. Unique
// returns an error that wraps [queue.ErrConfig] otherwise.
//
// A message with [queue.UntilDone] is left to p, which refuses it if it can't compare it.
//
// A message with a key costs about six requests to the store. It is published again, with the same
// ID, if the node dies or is cut off between the broker's confirm and the note in the store.
func (n *Node) Unique(name string, p queue.Publisher, window time.Duration) (*UniquePublisher, error) {
	switch {
	case p == nil:
		return nil, fmt.Errorf("%w: fleet: the publisher is nil; want that of queue %q", queue.ErrConfig, name)
	case window <= 0 || window > maxWindow:
		return nil, fmt.Errorf("%w: fleet: the window is %v; want more than 0, and at most %v",
			queue.ErrConfig, window, maxWindow)
	}
	return &UniquePublisher{node: n, queue: name, to: p, window: window}, nil
}

// UniqueWindow implements [queue.Deduplicator].
func (u *UniquePublisher) UniqueWindow(context.Context) (time.Duration, error) { return u.window, nil }

// Publish implements [queue.Publisher]. Messages without a key are published together, before the
// others. If the store can't be asked, a message with a key is not published, and its error is that
// of the store.
func (u *UniquePublisher) Publish(ctx context.Context, msgs ...queue.Message) error {
	_, err := u.PublishResults(ctx, msgs...)
	return err
}

// PublishResults implements [queue.ResultPublisher].
func (u *UniquePublisher) PublishResults(ctx context.Context, msgs ...queue.Message) ([]queue.PublishResult, error) {
	results := make([]queue.PublishResult, len(msgs))
	var plain []queue.Message
	var at []int
	for i := range msgs {
		if !u.compares(&msgs[i]) {
			plain, at = append(plain, msgs[i]), append(at, i)
		}
	}
	if len(plain) > 0 {
		some, err := queue.PublishResults(ctx, u.to, plain...)
		for i, r := range some {
			results[at[i]] = r
		}
		if err != nil && len(some) < len(plain) {
			return nil, err
		}
	}
	for i := range msgs {
		if u.compares(&msgs[i]) {
			results[i] = u.publishOne(ctx, msgs[i])
		}
	}
	return results, failures(results)
}

// compares reports whether the store compares the message. The publisher compares messages until
// they are done, or refuses them.
func (*UniquePublisher) compares(m *queue.Message) bool {
	return m.UniqueKey != "" && m.UniqueUntil == queue.UntilWindowEnds
}

// failures returns the error of Publish for the results.
func failures(results []queue.PublishResult) error {
	var failed []queue.PublishFailure
	for _, r := range results {
		if r.Err != nil {
			failed = append(failed, queue.PublishFailure{ID: r.ID, Err: r.Err})
		}
	}
	if failed == nil {
		return nil
	}
	return &queue.PublishError{Failed: failed}
}

// publishOne publishes a message, unless its key is remembered.
func (u *UniquePublisher) publishOne(ctx context.Context, m queue.Message) queue.PublishResult {
	sum := sha256.Sum256([]byte(m.UniqueKey))
	key := part(u.queue) + "." + hex.EncodeToString(sum[:])
	if m.ID == "" {
		m.ID = "unique-" + hex.EncodeToString(sum[:]) // the same if it must be published again
	}
	result := queue.PublishResult{ID: m.ID, Duplicate: true}
	known, err := u.remembers(ctx, key)
	if err == nil && !known {
		err = u.node.leases.Only(ctx, "unique."+key, func(ctx context.Context, _ uint64) error {
			known, err := u.remembers(ctx, key)
			if err != nil || known {
				return err
			}
			m.UniqueKey = ""
			results, err := queue.PublishResults(ctx, u.to, m)
			if err != nil {
				return reason(results, err)
			}
			result.Duplicate = results[0].Duplicate
			return u.remember(ctx, key)
		})
	}
	if err != nil {
		result.Duplicate, result.Err = false, err
	}
	return result
}

// reason returns the error of the only message that was published.
func reason(results []queue.PublishResult, err error) error {
	if len(results) == 1 && results[0].Err != nil {
		return results[0].Err
	}
	return err
}

func (u *UniquePublisher) remembers(ctx context.Context, key string) (bool, error) {
	_, err := u.node.store.Get(ctx, "unique."+key)
	if guard.Is(err, queue.ErrNoRecord) {
		return false, nil
	}
	return err == nil, err
}

// remember notes that a message was published. It tries until the lease is lost: without the note,
// the message would be published again.
func (u *UniquePublisher) remember(ctx context.Context, key string) error {
	for {
		_, err := u.node.store.Put(ctx, "unique."+key, nil, queue.Always, u.window)
		if err == nil || ctx.Err() != nil || guard.Is(err, queue.ErrConfig) || guard.Is(err, queue.ErrClosed) {
			return err
		}
		rest(ctx, rememberAgain)
	}
}

// rememberAgain is the time between two attempts to note that a message was published.
const rememberAgain = 100 * time.Millisecond
