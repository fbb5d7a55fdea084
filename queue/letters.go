package queue

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"
)

// Letters is an operator's access to the dead letters of one queue: to list them, give them back to
// the queue, or remove them. Every driver's queue has it. All methods are safe for concurrent use,
// also beside consumers and other operators.
//
// Each call goes over the letters that are present when it begins, the oldest first. Some brokers,
// such as RabbitMQ, hide the letters that another call is reading; call again to get those.
type Letters struct {
	box LetterBox
}

// NewLetters returns the Letters of a driver's box. It is called by drivers.
func NewLetters(box LetterBox) *Letters { return &Letters{box: box} }

// LetterFilter selects dead letters. A letter must match each field that is set; the zero value
// selects all.
type LetterFilter struct {
	// ID is the message's ID.
	ID string

	// Reason is a substring of the reason.
	Reason string

	// Fingerprint is the whole fingerprint of the panic: see [Fingerprint].
	Fingerprint string

	// Match, if not nil, reports whether the letter is selected. It must neither keep nor change
	// the letter.
	Match func(*Letter) bool
}

// fits reports whether the filter selects l.
func (f LetterFilter) fits(l *Letter) bool {
	return (f.ID == "" || f.ID == l.ID) &&
		(f.Reason == "" || strings.Contains(l.Reason, f.Reason)) &&
		(f.Fingerprint == "" || f.Fingerprint == l.Fingerprint) &&
		(f.Match == nil || f.Match(l))
}

// RedriveOptions limits [Letters.Redrive]. The zero value sets no limits.
type RedriveOptions struct {
	// PerSecond is the most letters per second, evenly spaced. Zero means no limit.
	PerSecond float64

	// Limit is the most letters that are given back. Zero means all.
	Limit int
}

// check returns an error that names the invalid field.
func (o RedriveOptions) check() error {
	if !(o.PerSecond >= 0) { // negated, because a NaN must fail too
		return fmt.Errorf("%w: RedriveOptions.PerSecond is %v, want a positive number, or 0 for no limit", ErrConfig,
			o.PerSecond)
	}
	if o.Limit < 0 {
		return fmt.Errorf("%w: RedriveOptions.Limit is %d, want a positive number, or 0 for all", ErrConfig, o.Limit)
	}
	return nil
}

// All returns an iterator over the letters that match filter. It yields one at a time and keeps
// none, so their number doesn't matter. It takes none out. After an error, All yields that with a
// zero letter and ends.
//
// The loop should handle each letter quickly, because some drivers hide letters from other calls
// meanwhile: see the driver.
func (l *Letters) All(ctx context.Context, filter LetterFilter) iter.Seq2[Letter, error] {
	return func(yield func(Letter, error) bool) {
		more := true
		err := l.walk(ctx, fromTheOldest, filter.fits, func(letter *Letter, _ LetterWalk) (bool, error) {
			more = yield(*letter, nil)
			return more, nil
		})
		if err != nil && more {
			yield(Letter{}, err)
		}
	}
}

// Redrive gives the letters that match filter back to the queue, the oldest first, and returns
// their number. Each is given back once, even if it is dead-lettered again during the call.
//
// The message is the original: its ID, body, headers, content type and time are kept. It starts
// again with its first attempt. The reason and the stack of its death move from their headers to
// [HeaderHistory]. A letter is removed after the broker has confirmed the message: a crash in
// between leaves both, never neither.
//
// Letters that are dead-lettered more than a minute after the call began are left. So are those
// whose unique key is taken by another message: see [UntilDone]. If there are any, the error after
// all others were given back wraps [ErrKeyTaken]. Redrive ends with the first other error; the
// letter that caused it stays.
func (l *Letters) Redrive(ctx context.Context, filter LetterFilter, opts RedriveOptions) (int, error) {
	if err := opts.check(); err != nil {
		return 0, err
	}
	r := newRedrive(filter, opts)
	for r.again = true; r.again; {
		r.again, r.taken, r.first = false, 0, ""
		if err := l.walk(ctx, fromTheOldest, r.fits, func(letter *Letter, walk LetterWalk) (bool, error) {
			return r.giveBack(ctx, letter, walk)
		}); err != nil {
			return r.n, err
		}
	}
	return r.n, r.left()
}

// Purge removes the letters that match filter for good, and returns their number. Letters that
// arrive during the call may stay; they are removed if they match and the walk reaches them.
func (l *Letters) Purge(ctx context.Context, filter LetterFilter) (int, error) {
	n := 0
	err := l.walk(ctx, fromTheOldest, filter.fits, func(_ *Letter, walk LetterWalk) (bool, error) {
		removed, err := walk.Remove(ctx)
		if removed {
			n++
		}
		return true, err
	})
	return n, err
}

// fromTheOldest begins a walk with the oldest letter.
func fromTheOldest(LetterWalk) error { return nil }

// walk calls begin, and then visit for each letter that fits, until visit returns false or an
// error.
func (l *Letters) walk(ctx context.Context, begin func(LetterWalk) error, fits func(*Letter) bool,
	visit func(*Letter, LetterWalk) (more bool, err error),
) (err error) {
	walk, err := l.box.OpenLetters(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, walk.Close(ctx)) }()
	if err := begin(walk); err != nil {
		return err
	}
	for more := true; more; {
		m, err := walk.Next(ctx)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		letter := ReadLetter(m)
		if !fits(&letter) {
			continue
		}
		if more, err = visit(&letter, walk); err != nil {
			return err
		}
	}
	return nil
}
