package nats

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/internal/following"
)

// watch is one loop over a Watch. It reads from one feed after the other.
type watch struct {
	store  *store
	prefix string
	yield  func(queue.Change, error) bool
	view   following.View

	incarnation string    // of the feed
	sure        time.Time // since when nothing can have been missed
}

// Times of a watch.
const (
	checkTime = 1500 * time.Millisecond // for one round trip
	lateTime  = time.Second             // for what is on its way
)

// errOver ends a watch whose loop has ended.
var errOver = errors.New("nats: the loop has ended")

// Watch implements queue.Store.
func (s *store) Watch(ctx context.Context, prefix string) iter.Seq2[queue.Change, error] {
	return func(yield func(queue.Change, error) bool) {
		if err := s.ready(context.Background(), queue.CheckPrefix(prefix)); err != nil {
			yield(queue.Change{}, err)
			return
		}
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		defer context.AfterFunc(s.access.life, cancel)()
		w := &watch{store: s, prefix: prefix, yield: yield}
		if err := w.follow(ctx); err != nil && !errors.Is(err, errOver) {
			yield(queue.Change{}, err)
		}
	}
}

// follow reads until ctx or the loop ends. Its error is to be yielded.
func (w *watch) follow(ctx context.Context) error {
	for {
		err := w.round(ctx)
		switch {
		case errors.Is(err, errOver):
			return err
		case ctx.Err() != nil: // also if the store was closed
			return w.store.access.closed()
		case errors.Is(err, ErrRefused), errors.Is(err, queue.ErrConfig):
			return w.store.access.failed(ctx, err)
		}
		select {
		case <-time.After(retryEvery):
		case <-ctx.Done():
		}
	}
}

// round reads from one feed, until it returns the reason to begin again.
func (w *watch) round(ctx context.Context) error {
	call, done := w.store.access.call(ctx)
	defer done()
	l, err := w.store.access.get(call)
	if err != nil {
		return err
	}
	f, mark, err := w.begin(call, l)
	if err != nil {
		return w.store.mend(call, l, err)
	}
	defer f.close()
	done()
	if err := w.readAll(ctx, f, mark); err != nil {
		return err
	}
	for {
		if err := w.steady(ctx, f); err != nil {
			return err
		}
		if err := w.check(ctx, f); err != nil {
			return err
		}
	}
}

// begin starts a feed. mark is the newest message that it must return.
func (w *watch) begin(ctx context.Context, l *link) (f *feed, mark uint64, err error) {
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	w.sure = time.Now()
	have, err := w.store.look(ctx, l)
	if err != nil {
		return nil, 0, err
	}
	newest, err := w.store.lastOf(ctx, l, w.store.bucket.filter(w.prefix))
	if err != nil {
		return nil, 0, err
	}
	if f, err = w.store.feed(ctx, l, w.prefix, false); err != nil {
		return nil, 0, err
	}
	w.incarnation = have.Created
	if w.view.Begin(have.Created) && !w.tell(queue.Change{Kind: queue.ChangeReset}) {
		f.close()
		return nil, 0, errOver
	}
	return f, newest.seq(), nil
}

// readAll yields what was there at the begin.
func (w *watch) readAll(ctx context.Context, f *feed, mark uint64) error {
	for !f.whole(mark) {
		late, cancel := context.WithTimeout(ctx, lateTime)
		one, err := f.next(late)
		cancel()
		if err == nil {
			err = w.apply(one)
		} else if late.Err() != nil && ctx.Err() == nil {
			mark, err = w.newest(ctx, f) // the mark of a record may be gone meanwhile
		}
		if err != nil {
			return err
		}
	}
	for _, key := range w.view.Whole() {
		if !w.tell(queue.Change{Kind: queue.ChangeGone, Record: queue.Record{Key: key}}) {
			return errOver
		}
	}
	if !w.tell(queue.Change{Kind: queue.ChangeCurrent}) {
		return errOver
	}
	return nil
}

// newest asks for the newest message that the feed must return.
func (w *watch) newest(ctx context.Context, f *feed) (uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, checkTime)
	defer cancel()
	m, err := w.store.lastOf(ctx, f.link, w.store.bucket.filter(w.prefix))
	return m.seq(), err
}

// steady yields changes until ChangeAlive is due.
func (w *watch) steady(ctx context.Context, f *feed) error {
	due, cancel := context.WithDeadline(ctx, w.view.Due())
	defer cancel()
	for {
		one, err := f.next(due)
		if err != nil && due.Err() != nil {
			return ctx.Err()
		}
		if err == nil {
			err = w.apply(one)
		}
		if err != nil {
			return err
		}
	}
}

// errUnsure is the reason to begin again if marks may have been missed.
var errUnsure = errors.New("nats: changes may have been missed")

// check makes sure that no change was missed, and yields ChangeAlive. While the server does not
// answer, it returns nil.
func (w *watch) check(ctx context.Context, f *feed) error {
	asked := time.Now()
	mark, err := w.mark(ctx, f)
	if err != nil {
		if f.link.over() || ctx.Err() != nil || isMissing(err) || errors.Is(err, ErrRefused) {
			return err
		}
		return w.drain(ctx, f) // a cluster without a leader does not answer
	}
	for late := time.Now().Add(lateTime); f.last < mark; {
		next, cancel := context.WithDeadline(ctx, late)
		one, err := f.next(next)
		cancel()
		if err == nil {
			err = w.apply(one)
		}
		if err != nil {
			return err // it is deaf, or has ended
		}
	}
	if time.Since(w.sure) > markerTime/2 {
		return errUnsure
	}
	w.sure = asked
	if w.view.Alive(asked) && !w.tell(queue.Change{Kind: queue.ChangeAlive}) {
		return errOver
	}
	return nil
}

// mark returns the newest message of the prefix, after it has made sure that the stream is the
// same. It returns zero if the feed must have returned all.
func (w *watch) mark(ctx context.Context, f *feed) (uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, checkTime)
	defer cancel()
	have, err := w.store.look(ctx, f.link)
	if err != nil {
		return 0, err
	}
	if have.Created != w.incarnation {
		return 0, fmt.Errorf("nats: the stream was made again: %w", errMade)
	}
	if have.State.LastSeq <= f.last {
		return 0, nil
	}
	return w.newest(ctx, f)
}

var errMade = errors.New("another incarnation")

// drain yields what has come already.
func (w *watch) drain(ctx context.Context, f *feed) error {
	come, cancel := context.WithTimeout(ctx, retryEvery)
	defer cancel()
	for {
		one, err := f.next(come)
		if err != nil && come.Err() != nil {
			return ctx.Err()
		}
		if err == nil {
			err = w.apply(one)
		}
		if err != nil {
			return err
		}
	}
}

// apply yields the change that a message is, unless the loop has it.
func (w *watch) apply(one entry) error {
	key, ours := w.store.bucket.key(one.subject)
	if !ours {
		return nil
	}
	var c queue.Change
	if isMarker(one.header) {
		if !w.view.Gone(key) {
			return nil
		}
		c = queue.Change{Kind: queue.ChangeGone, Record: queue.Record{Key: key}}
	} else {
		revision := queue.Revision(one.seq)
		if !w.view.Set(key, revision) {
			return nil
		}
		c = queue.Change{Record: queue.Record{Key: key, Value: one.data, Revision: revision}}
	}
	if !w.tell(c) {
		return errOver
	}
	return nil
}

// tell yields a change. It returns false if the loop has ended.
func (w *watch) tell(c queue.Change) bool { return w.yield(c, nil) }
