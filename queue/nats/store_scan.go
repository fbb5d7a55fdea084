package nats

import (
	"context"
	"errors"
	"sync"

	"github.com/gentask/gentask/queue"
)

// Count implements queue.Store. It reads the headers of the records, because the server also counts
// the marks of those that have gone.
func (s *store) Count(ctx context.Context, prefix string) (int, error) {
	if err := s.ready(ctx, queue.CheckPrefix(prefix)); err != nil {
		return 0, err
	}
	keys, err := s.keys(ctx, prefix)
	return len(keys), err
}

// clearers is how many records Clear removes at a time.
const clearers = 64

// Clear implements queue.Store. It marks each record, because a watch would not be told of records
// that the server purges.
func (s *store) Clear(ctx context.Context, prefix string) error {
	if err := s.ready(ctx, queue.CheckPrefix(prefix)); err != nil {
		return err
	}
	keys, err := s.keys(ctx, prefix)
	if err != nil {
		return err
	}
	next := make(chan string, len(keys))
	for key := range keys {
		next <- key
	}
	close(next)
	failed := make([]error, clearers)
	var group sync.WaitGroup
	for i := range min(clearers, len(keys)) {
		group.Go(func() {
			for key := range next {
				if _, failed[i] = s.write(ctx, key, s.marker(key), queue.Always); failed[i] != nil {
					return
				}
			}
		})
	}
	group.Wait()
	if err := errors.Join(failed...); err != nil {
		return errors.Join(queue.ErrUncertain, err) // some may have gone
	}
	return nil
}

// keys returns the keys of the records with a prefix.
func (s *store) keys(ctx context.Context, prefix string) (map[string]bool, error) {
	call, done := s.access.call(ctx)
	defer done()
	l, err := s.access.get(call)
	var keys map[string]bool
	if err == nil {
		keys, err = s.scan(call, l, prefix)
	}
	if err != nil {
		return nil, s.access.failed(ctx, s.mend(call, l, err))
	}
	return keys, nil
}

// scan reads the headers of all records, up to the newest that was there before.
func (s *store) scan(ctx context.Context, l *link, prefix string) (map[string]bool, error) {
	w := &watch{store: s, prefix: prefix}
	newest, err := s.lastOf(ctx, l, s.bucket.filter(prefix))
	if err != nil || newest.Message == nil {
		return nil, err
	}
	f, err := s.feed(ctx, l, prefix, true)
	if err != nil {
		return nil, err
	}
	defer f.close()
	keys := map[string]bool{}
	for mark := newest.seq(); !f.whole(mark); {
		late, cancel := context.WithTimeout(ctx, retryEvery)
		one, err := f.next(late)
		cancel()
		if err != nil && late.Err() != nil && ctx.Err() == nil {
			if mark, err = w.newest(ctx, f); err == nil {
				continue
			}
		}
		if err != nil {
			return nil, err
		}
		if key, ours := s.bucket.key(one.subject); ours && isMarker(one.header) {
			delete(keys, key)
		} else if ours {
			keys[key] = true
		}
	}
	return keys, nil
}
