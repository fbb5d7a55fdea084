package memory

import (
	"context"
	"fmt"
	"time"

	"github.com/gentask/gentask/queue"
)

// defaultUnique is the window of a queue that was told none.
const defaultUnique = 2 * time.Minute

// keys remembers which keys were published, for as long as the window is. The zero value is a window of nothing.
type keys struct {
	window time.Duration
	seen   map[string]time.Time // when the window of a key ends
	sweep  time.Time            // when it is worth to look for those that have ended
}

// repeated says whether a message with that key was published within the window, and otherwise begins a window for it.
func (k *keys) repeated(key string, now time.Time) bool {
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

// forget drops the keys whose window has ended.
func (k *keys) forget(now time.Time) {
	for key, end := range k.seen {
		if !now.Before(end) {
			delete(k.seen, key)
		}
	}
	k.sweep = now.Add(k.window)
}

// check says what is wrong with msgs, or can't be done here.
func (q *Queue) check(msgs []queue.Message) error {
	for i := range msgs {
		if err := msgs[i].Check(); err != nil {
			return err
		}
		if msgs[i].UniqueKey != "" && q.keys.window < 0 {
			return fmt.Errorf("%w: Message.UniqueKey is %q and Config.Unique is %v: right would be a window, or no key",
				queue.ErrUnsupported, msgs[i].UniqueKey, q.keys.window)
		}
	}
	return nil
}

// UniqueWindow implements queue.Deduplicator. It returns ctx.Err() when ctx has ended.
func (q *Queue) UniqueWindow(ctx context.Context) (time.Duration, error) {
	if q.keys.window < 0 {
		return 0, fmt.Errorf("%w: Config.Unique is %v: right would be a window", queue.ErrUnsupported, q.keys.window)
	}
	return q.keys.window, ctx.Err()
}
