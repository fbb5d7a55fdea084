package dashboard

import (
	"context"
	"maps"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gentask/gentask/queue"
)

const (
	// mostLetters is how many letters a page reads at most, and lettersTime for how long. The list
	// shows pageLetters of them at a time.
	mostLetters = 1000
	lettersTime = time.Second
	pageLetters = 200

	// keepLetters is for how long what was read is shown to others, who need not walk again, and
	// mostBooks how many parts of a queue's letters are kept.
	keepLetters = 3 * time.Second
	mostBooks   = 4

	// walkEvery is the least time between the begins of two walks over a queue's letters.
	walkEvery = time.Second
)

// letterTimes are the times of a letter.
type letterTimes struct{ DeadAt time.Time }

// letterBook is the letters of a queue behind a cursor, as many as a page reads.
type letterBook struct {
	rows []letterRow
	more bool   // there may be others behind them
	next string // the cursor of those behind them; the same one if there are no rows
	err  error
	at   time.Time
}

// letterBooks remembers the letter books of all queues for a moment. Its methods are safe for
// concurrent use.
type letterBooks struct {
	mu    sync.Mutex
	books map[string]*shelf
}

// shelf is the place of one letter book. The request that reads it holds the place.
type shelf struct {
	place  chan struct{}
	books  map[string]letterBook // by their cursors
	walked time.Time             // when the last walk for a book began
	walks  atomic.Int64          // begins and ends of walks: odd while one is under way
}

// walk notes that the one who holds the place walks over the letters, until done is called.
func (s *shelf) walk() (done func()) {
	s.walks.Add(1)
	return func() { s.walks.Add(1) }
}

// take waits for the place of a queue.
func (all *letterBooks) take(ctx context.Context, name string) (*shelf, error) {
	s := all.shelf(name)
	select {
	case s.place <- struct{}{}:
		return s, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// give gives the place back.
func (s *shelf) give() { <-s.place }

func (all *letterBooks) shelf(name string) *shelf {
	all.mu.Lock()
	defer all.mu.Unlock()
	if all.books == nil {
		all.books = map[string]*shelf{}
	}
	if all.books[name] == nil {
		all.books[name] = &shelf{place: make(chan struct{}, 1)}
	}
	return all.books[name]
}

// book returns the letters of a queue behind a cursor. Only one request reads them at a time,
// because some brokers hide the letters that another one is reading, and begins a second or more
// after the one before.
func (d *Dashboard) book(ctx context.Context, q Queue, cursor string) letterBook {
	s, err := d.letters.take(ctx, q.Name())
	if err != nil {
		return letterBook{err: err}
	}
	defer s.give()
	if b, kept := s.books[cursor]; kept && time.Since(b.at) <= keepLetters {
		return b
	}
	if pause(ctx, walkEvery-time.Since(s.walked)); ctx.Err() != nil {
		return letterBook{err: ctx.Err()}
	}
	s.walked = time.Now()
	done := s.walk()
	defer done()
	b := d.readLetters(q, cursor)
	if b.err == nil {
		s.keep(cursor, b)
	}
	return b
}

// keep keeps a book, and drops those that are too old. The one who calls it holds the place.
func (s *shelf) keep(cursor string, b letterBook) {
	maps.DeleteFunc(s.books, func(_ string, b letterBook) bool { return time.Since(b.at) > keepLetters })
	if s.books == nil || len(s.books) >= mostBooks {
		s.books = map[string]letterBook{}
	}
	s.books[cursor] = b
}

// forget drops what is remembered of a queue, after its letters were changed.
func (all *letterBooks) forget(name string) {
	s := all.shelf(name)
	s.place <- struct{}{}
	s.clear()
	s.give()
}

// clear drops what is remembered. The one who calls it holds the place.
func (s *shelf) clear() { s.books, s.walked = nil, time.Time{} }

// readLetters walks over the letters behind a cursor.
func (d *Dashboard) readLetters(q Queue, cursor string) letterBook {
	book, err := call(d.life, d.hooks.letters, func(ctx context.Context) (letterBook, error) {
		ctx, cancel := context.WithTimeout(ctx, lettersTime)
		defer cancel()
		b := letterBook{next: cursor}
		for l, err := range q.Letters().From(ctx, cursor) {
			if err != nil {
				b.more = ctx.Err() != nil
				if b.more {
					err = nil // the time is over
				}
				return b, err
			}
			b.rows, b.next = append(b.rows, d.row(d.life, q.Name(), &l.Letter)), l.Cursor
			if len(b.rows) == mostLetters {
				b.more = true
				break
			}
		}
		return b, nil
	})
	book.err, book.at = err, time.Now()
	return book
}

// letterFilter selects letters by what a list shows of them. The zero value selects all.
type letterFilter struct {
	ID          string
	Reason      string // a part of the reason
	Like        string // the whole reason, as like returns it
	Fingerprint string
}

func filterOf(q url.Values) letterFilter {
	return letterFilter{ID: q.Get("id"), Reason: q.Get("reason"), Like: q.Get("like"), Fingerprint: q.Get("fp")}
}

// values returns the filter as the parameters of a URL.
func (f letterFilter) values(queueName string) url.Values {
	v := url.Values{"queue": {queueName}}
	for name, value := range map[string]string{"id": f.ID, "reason": f.Reason, "like": f.Like, "fp": f.Fingerprint} {
		if value != "" {
			v.Set(name, value)
		}
	}
	return v
}

func (f letterFilter) empty() bool { return f == letterFilter{} }

// fits reports whether the filter selects a letter. A letter that can't be shown is selected only
// if all are.
func (f letterFilter) fits(r *letterRow) bool {
	return f.empty() || !r.Hidden && (f.ID == "" || f.ID == r.ID) && (f.Like == "" || f.Like == r.Like) &&
		(f.Reason == "" || strings.Contains(r.Reason, f.Reason)) &&
		(f.Fingerprint == "" || f.Fingerprint == r.Fingerprint)
}

// String returns the filter in words.
func (f letterFilter) String() string {
	var parts []string
	for _, one := range []struct{ name, value string }{
		{"ID", f.ID}, {"reason with", f.Reason}, {"reason like", f.Like}, {"fingerprint", f.Fingerprint},
	} {
		if one.value != "" {
			parts = append(parts, one.name+" "+clip(one.value, mostReason))
		}
	}
	if parts == nil {
		return "all letters"
	}
	return strings.Join(parts, ", ")
}

// find returns the letter with a key among the first ones behind a cursor.
func (d *Dashboard) find(ctx context.Context, q Queue, key, cursor string) (*queue.Letter, error) {
	s, err := d.letters.take(ctx, q.Name())
	if err != nil {
		return nil, err
	}
	defer s.give()
	defer s.walk()()
	return call(ctx, d.hooks.letters, func(ctx context.Context) (*queue.Letter, error) {
		ctx, cancel := context.WithTimeout(ctx, lettersTime)
		defer cancel()
		n := 0
		for l, err := range q.Letters().From(ctx, cursor) {
			if err != nil {
				return nil, err
			}
			if keyOf(&l.Letter) == key {
				return &l.Letter, nil
			}
			if n++; n == mostLetters {
				break
			}
		}
		return nil, errNoLetter
	})
}

// queueNamed returns the queue of that name; nil if the dashboard has none.
func (d *Dashboard) queueNamed(name string) Queue {
	for _, q := range d.cfg.Queues {
		if q.Name() == name {
			return q
		}
	}
	return nil
}
