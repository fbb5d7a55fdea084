package dashboard

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gentask/gentask/fleet"
	"github.com/gentask/gentask/queue"
)

// bulk is the re-drive or purge of many letters of a queue, which runs in the background.
type bulk struct {
	board  *Dashboard
	queue  Queue
	action Action // as it began
	purge  bool
	filter letterFilter
	rate   float64 // letters each second; zero for no limit
	limit  int     // zero for all

	ctx     context.Context //nolint:containedctx // it ends with the work
	cancel  context.CancelCauseFunc
	seen    atomic.Int64 // letters that the walk has passed
	taken   atomic.Int64 // letters that were selected
	stopped atomic.Bool  // an operator has stopped it

	mu    sync.Mutex
	ended time.Time // zero while it runs
	n     int       // how many were done in the end
	err   error

	given map[string]int // the pass in which a letter of that ID was given back; only run has it
}

// bulks are the last bulk of each queue. Its methods are safe for concurrent use.
type bulks struct {
	board *Dashboard
	mu    sync.Mutex
	last  map[string]*bulk
}

var errBusy = errors.New("another re-drive or purge of this queue runs; wait for its end, or stop it")

func newBulks(d *Dashboard) *bulks { return &bulks{board: d, last: map[string]*bulk{}} }

// of returns the last bulk of a queue; nil if there was none.
func (all *bulks) of(name string) *bulk {
	all.mu.Lock()
	defer all.mu.Unlock()
	return all.last[name]
}

// add takes b as the next one of its queue, unless another one runs. It runs after launch.
func (all *bulks) add(b *bulk) error {
	all.mu.Lock()
	defer all.mu.Unlock()
	name := b.queue.Name()
	if old := all.last[name]; old != nil && old.running() {
		return errBusy
	}
	if all.board.life.Err() != nil {
		return queue.ErrClosed
	}
	b.board = all.board
	b.ctx, b.cancel = context.WithCancelCause(all.board.life)
	all.last[name] = b
	return nil
}

// launch runs b.
func (all *bulks) launch(b *bulk) {
	all.mu.Lock()
	defer all.mu.Unlock()
	if all.board.life.Err() == nil {
		all.board.wg.Go(b.run)
	}
}

// close makes sure that none starts any longer, after the end of the dashboard's life.
func (all *bulks) close() {
	all.mu.Lock()
	defer all.mu.Unlock()
}

// startBulk starts the re-drive or purge that a form asks for.
func startBulk(a *acting) (*fleet.Command, error) {
	a.back("letters", "queue", a.Queue)
	b := &bulk{
		queue: a.board.queueNamed(a.Queue), given: map[string]int{},
		purge: a.verb.name == "purge", filter: filterOf(a.r.URL.Query()),
	}
	if b.queue == nil {
		return nil, errNoQueue
	}
	if b.purge && a.r.PostFormValue("sure") == "" {
		return nil, errNotSure
	}
	if err := b.limits(a.r.PostFormValue("rate"), a.r.PostFormValue("limit")); err != nil {
		return nil, err
	}
	a.Value, a.Result = b.filter.String(), "started"
	b.action = a.Action
	a.then = func() { a.board.bulk.launch(b) } // its end is reported after its begin
	return nil, a.board.bulk.add(b)
}

// limits reads the fields of the form. Empty ones mean no limit.
func (b *bulk) limits(rate, limit string) (err error) {
	if rate = strings.TrimSpace(rate); rate != "" {
		if b.rate, err = strconv.ParseFloat(rate, 64); err != nil || !(b.rate > 0) {
			return fmt.Errorf("%w: the rate is %.80q; want a number above 0, or nothing", queue.ErrConfig, rate)
		}
	}
	if limit = strings.TrimSpace(limit); limit != "" {
		if b.limit, err = strconv.Atoi(limit); err != nil || b.limit < 1 {
			return fmt.Errorf("%w: the limit is %.80q; want a whole number from 1, or nothing", queue.ErrConfig, limit)
		}
	}
	return nil
}

// stopBulk stops the work on a queue.
func stopBulk(a *acting) (*fleet.Command, error) {
	a.back("letters", "queue", a.Queue)
	b := a.board.bulk.of(a.Queue)
	if b == nil || !b.running() {
		return nil, errors.New("nothing runs on this queue any longer")
	}
	b.stopped.Store(true)
	b.cancel(context.Canceled)
	a.Result = "stopped"
	return nil, nil //nolint:nilnil // letters have no command
}

func (b *bulk) running() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.ended.IsZero()
}

// run does the work, and reports it.
func (b *bulk) run() {
	defer b.cancel(nil)
	n, err := call(b.ctx, b.board.hooks.bulk, b.work)
	if b.ctx.Err() != nil {
		err = nil // it was stopped, or the dashboard is closed
	}
	b.board.letters.forget(b.queue.Name())
	a := b.action
	a.Time, a.Err = time.Now().UTC(), err
	a.Result = "ended: " + plural(n, "letter", "letters") + " " + b.past()
	b.board.record(context.Background(), a)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ended, b.n, b.err = time.Now(), n, err
}

// past returns what happens to the letters.
func (b *bulk) past() string {
	if b.purge {
		return "removed"
	}
	return "given back"
}

const (
	mostPasses = 5       // over the letters
	mostGiven  = 100_000 // IDs of letters that are remembered, as they were given back
)

// work goes over the letters, and again if a page has read them meanwhile: some brokers, such as
// RabbitMQ, hide from one walk what another one holds.
func (b *bulk) work(ctx context.Context) (n int, err error) {
	name := b.queue.Name()
	s := b.board.letters.shelf(name)
	for pass := range mostPasses {
		before := s.walks.Load()
		done, err := b.pass(ctx, pass, n)
		n += done
		alone := before%2 == 0 && s.walks.Load() == before
		if err != nil || alone || b.limit > 0 && n >= b.limit || len(b.given) == mostGiven {
			return n, err
		}
		if s, err = b.board.letters.take(ctx, name); err != nil { // until the page has read them
			return n, err
		}
		s.give()
	}
	return n, nil
}

// pass goes over the letters once, after passes in which n were done. A letter that was given back
// in one of these may have died again, and is not taken once more.
func (b *bulk) pass(ctx context.Context, pass, n int) (int, error) {
	if !b.purge {
		opts := queue.RedriveOptions{PerSecond: b.rate}
		if b.limit > 0 {
			opts.Limit = b.limit - n
		}
		return b.queue.Letters().Redrive(ctx, queue.LetterFilter{Match: func(l *queue.Letter) bool {
			if in, given := b.given[l.ID]; given && in < pass || !b.match(l) {
				return false
			}
			if l.ID != "" && len(b.given) < mostGiven {
				b.given[l.ID] = pass
			}
			return true
		}}, opts)
	}
	return b.queue.Letters().Purge(ctx, queue.LetterFilter{Match: func(l *queue.Letter) bool {
		return b.within() && b.match(l) && b.pace(ctx)
	}})
}

// match reports whether a letter is selected, and counts.
func (b *bulk) match(l *queue.Letter) bool {
	b.seen.Add(1)
	row := b.board.row(b.ctx, b.queue.Name(), l)
	if !b.filter.fits(&row) {
		return false
	}
	b.taken.Add(1)
	return true
}

// within reports whether a purge has not reached its limit. If it has, the walk ends.
func (b *bulk) within() bool {
	if b.limit == 0 || int(b.taken.Load()) < b.limit {
		return true
	}
	b.cancel(nil)
	return false
}

// pace waits until the rate allows the next letter of a purge, and reports whether it may go on.
func (b *bulk) pace(ctx context.Context) bool {
	if b.rate > 0 && b.taken.Load() > 1 {
		pause(ctx, time.Duration(min(float64(time.Second)/b.rate, float64(time.Hour))))
	}
	return ctx.Err() == nil
}
