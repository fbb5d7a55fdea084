package memory

import (
	"context"
	"fmt"
	"time"

	"github.com/gentask/gentask/queue"
)

// defaultUnique is the default of [Config.Unique].
const defaultUnique = 2 * time.Minute

// keys remembers the published keys for the length of the window. The zero value remembers none.
type keys struct {
	window time.Duration
	seen   map[string]time.Time // when the window of a key ends
	sweep  time.Time            // the time at which keys are next removed whose window has ended
}

// repeated reports whether a message with that key was published within the window. Otherwise it
// starts a window for the key.
func (k *keys) repeated(key string) bool {
	now := time.Now()
	if end, ok := k.seen[key]; ok && now.Before(end) {
		return true
	}
	if k.seen == nil {
		k.seen = map[string]time.Time{}
	}
	if !now.Before(k.sweep) {
		k.forget(now)
	}
	k.seen[key] = now.Add(k.window)
	return false
}

// forget removes the keys whose window has ended.
func (k *keys) forget(now time.Time) {
	for key, end := range k.seen {
		if !now.Before(end) {
			delete(k.seen, key)
		}
	}
	k.sweep = now.Add(k.window)
}

// check returns an error if one of msgs is invalid or not supported.
func (q *Queue) check(msgs []queue.Message) error {
	for i := range msgs {
		if err := msgs[i].Check(); err != nil {
			return err
		}
		if msgs[i].UniqueKey != "" && msgs[i].UniqueUntil == queue.UntilWindowEnds && q.keys.window < 0 {
			return fmt.Errorf("%w: Message.UniqueKey is %q and Config.Unique is %v: right would be a window, or no key",
				queue.ErrUnsupported, msgs[i].UniqueKey, q.keys.window)
		}
	}
	return nil
}

// UniqueWindow implements [queue.Deduplicator]. It returns ctx.Err() if ctx has ended.
func (q *Queue) UniqueWindow(ctx context.Context) (time.Duration, error) {
	if q.keys.window < 0 {
		return 0, fmt.Errorf("%w: Config.Unique is %v: right would be a window", queue.ErrUnsupported, q.keys.window)
	}
	return q.keys.window, ctx.Err()
}
