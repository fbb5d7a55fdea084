package task

import (
	"context"
	"iter"
	"runtime"
	"time"

	"github.com/gentask/gentask/internal/guard"
)

// StreamOptions configure a [Stream]. The zero value is ready to use.
type StreamOptions struct {
	// Concurrency is the most tasks that run at a time, and the most items that were taken and are
	// not delivered. Zero or less means GOMAXPROCS.
	Concurrency int

	// Unordered delivers outcomes as they come. Otherwise they come in the order of the items, and
	// an early one keeps its slot.
	Unordered bool

	// Timeout is the longest time of an item; then its task is shut down. Its outcome is OK if it
	// returns a value within the grace, or else an Exit that wraps [ErrTimeout]. It is the deadline
	// of the context. Zero or less, and [Forever], mean no limit.
	Timeout time.Duration

	// Grace is the time of a task that is shut down to return before it is abandoned. Zero means
	// 5 s, [Brutal] abandons at once, [Forever] never.
	Grace time.Duration

	// Name is shown in listings.
	Name string
}

// Stream runs f for each item in a task of its own, some at a time. It yields the index of each
// item with its outcome, which is OK or Exit, never Timeout. A task that can't be started is an
// Exit with the error of [Start].
//
// Stream is lazy: an item is taken only when there is room for it, on the goroutine of the loop. It
// never runs ahead of the loop's body by more than Concurrency.
//
// Each item that was taken has one outcome, unless the loop is left. When ctx ends, no more are
// taken, and the tasks that run are shut down. When the loop is left early, by break, return, panic
// or runtime.Goexit, or items panics, the tasks that run are shut down. The loop ends when all have
// returned or are abandoned.
//
// It is Elixir's async_stream_nolink with on_timeout: :kill_task.
func Stream[T, R any](
	ctx context.Context, s *Supervisor, items iter.Seq[T], f func(context.Context, T) (R, error), opts StreamOptions,
) iter.Seq2[int, Outcome[R]] {
	return func(yield func(int, Outcome[R]) bool) {
		st := newStream(s, opts, func(index int, r *run) bool {
			return yield(index, (&Task[R]{run: r}).outcome())
		})
		defer st.close()
		if ctx.Err() != nil {
			return
		}
		for item := range items {
			st.start(ctx, newTyped(ctx, func(ctx context.Context) (R, error) { return f(ctx, item) }))
			if !st.makeRoom(ctx) {
				return
			}
			if ctx.Err() != nil {
				break
			}
		}
		st.drain(ctx)
	}
}

// StreamItems is [Stream] with the item itself beside each outcome, in place of its index. It holds
// an item until the loop's body has got it.
//
// It is Elixir's async_stream_nolink with zip_input_on_exit.
func StreamItems[T, R any](
	ctx context.Context, s *Supervisor, items iter.Seq[T], f func(context.Context, T) (R, error), opts StreamOptions,
) iter.Seq2[T, Outcome[R]] {
	return func(yield func(T, Outcome[R]) bool) {
		held, taken := map[int]T{}, 0
		keep := func(take func(T) bool) {
			for item := range items {
				held[taken] = item
				taken++
				if !take(item) {
					return
				}
			}
		}
		for i, o := range Stream(ctx, s, keep, f, opts) {
			item := held[i]
			delete(held, i)
			if !yield(item, o) {
				return
			}
		}
	}
}

// stream is the state of one loop over a Stream. Everything but ends belongs to the loop's
// goroutine.
type stream struct {
	sup   *Supervisor
	opts  StreamOptions
	yield func(int, *run) bool

	taken     int // items so far
	delivered int
	running   map[int]*run
	early     map[int]*run // have an outcome and wait for their turn
	ends      *ends
	stopped   bool
}

func newStream(s *Supervisor, opts StreamOptions, yield func(int, *run) bool) *stream {
	if opts.Concurrency <= 0 {
		opts.Concurrency = runtime.GOMAXPROCS(0)
	}
	if opts.Grace == 0 {
		opts.Grace = defaultGrace
	}
	return &stream{
		sup: s, opts: opts, yield: yield,
		running: map[int]*run{}, early: map[int]*run{}, ends: newEnds(),
	}
}

func (st *stream) start(ctx context.Context, r *run) {
	index := st.taken
	st.taken++
	st.running[index] = r
	r.name, r.timeout, r.killGrace = st.opts.Name, st.opts.Timeout, st.opts.Grace
	r.watch(st.ends, index)
	err := guard.Seal(context.Cause(ctx)) // it may have ended during items
	if err == nil {
		err = st.sup.start(r)
	}
	if err != nil {
		r.refuse(err)
	}
}

// makeRoom delivers the outcomes that are there, and waits until there is room for one more task.
// It returns false when the loop was left.
func (st *stream) makeRoom(ctx context.Context) bool {
	for len(st.ends.ready) > 0 || st.taken-st.delivered >= st.opts.Concurrency {
		if !st.next(ctx) {
			return false
		}
	}
	return true
}

// drain delivers the rest.
func (st *stream) drain(ctx context.Context) {
	for len(st.running) > 0 && st.next(ctx) {
	}
}

// next waits for one task, and delivers it if it is its turn.
func (st *stream) next(ctx context.Context) bool {
	index := st.wait(ctx)
	r := st.running[index]
	delete(st.running, index)
	if st.opts.Unordered {
		return st.deliver(index, r)
	}
	st.early[index] = r
	return st.deliverEarly()
}

func (st *stream) deliverEarly() bool {
	for {
		index := st.delivered
		r, ok := st.early[index]
		if !ok {
			return true
		}
		delete(st.early, index)
		if !st.deliver(index, r) {
			return false
		}
	}
}

func (st *stream) deliver(index int, r *run) bool {
	st.delivered++
	return st.yield(index, r)
}

// wait returns the index of a task that has ended. If ctx ends first, the tasks are stopped, and
// end within their grace.
func (st *stream) wait(ctx context.Context) int {
	if !st.stopped {
		select {
		case <-st.ends.ready:
			return st.ends.take()
		case <-ctx.Done():
			st.stop(guard.Seal(context.Cause(ctx)))
		}
	}
	<-st.ends.ready
	return st.ends.take()
}

func (st *stream) stop(cause error) {
	st.stopped = true
	for _, r := range st.running {
		r.handle.Stop(cause, st.opts.Grace)
	}
}

// close stops the tasks that run when the loop is left.
func (st *stream) close() {
	st.stop(ErrCancelled)
	for range len(st.running) {
		<-st.ends.ready
		st.ends.take()
	}
}
