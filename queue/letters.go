package queue

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"
)

// Letters are the dead letters of one queue, for the operator: to be looked at, given back to the queue, or thrown away. Every driver's queue
// has them. All methods are safe for concurrent use, also beside consumers and other operators.
//
// Each call goes over the letters that lie there when it begins, the oldest first. Those that somebody else looks at meanwhile are not seen
// where the broker hides them (RabbitMQ): call again.
type Letters struct {
	box LetterBox
}

// NewLetters is for drivers.
func NewLetters(box LetterBox) *Letters { return &Letters{box: box} }

// LetterFilter chooses among dead letters. Each field that is set has to fit; the zero value chooses all.
type LetterFilter struct {
	// ID is the message's.
	ID string

	// Reason is a part of the reason.
	Reason string

	// Fingerprint is the whole fingerprint of the panic.
	Fingerprint string

	// Match decides whatever else there is to decide. It must not keep the letter, nor change it.
	Match func(*Letter) bool
}

// fits reports whether the filter chooses l.
func (f LetterFilter) fits(l *Letter) bool {
	return (f.ID == "" || f.ID == l.ID) &&
		(f.Reason == "" || strings.Contains(l.Reason, f.Reason)) &&
		(f.Fingerprint == "" || f.Fingerprint == l.Fingerprint) &&
		(f.Match == nil || f.Match(l))
}

// RedriveOptions say how letters are given back. The zero value is all at once.
type RedriveOptions struct {
	// PerSecond is the most letters that are given back in a second, evenly spread. Zero means as fast as the broker takes them.
	PerSecond float64

	// Limit is the most letters that are given back. Zero means all.
	Limit int
}

// check names the field that is not right.
func (o RedriveOptions) check() error {
	if !(o.PerSecond >= 0) { // so that it is true for what is no number
		return fmt.Errorf("%w: RedriveOptions.PerSecond is %v, want a positive number, or 0 for no limit", ErrConfig, o.PerSecond)
	}
	if o.Limit < 0 {
		return fmt.Errorf("%w: RedriveOptions.Limit is %d, want a positive number, or 0 for all", ErrConfig, o.Limit)
	}
	return nil
}

// All goes over the letters that fit, one at a time and without keeping them, so that there may be any number. It takes none out. An error is the
// last that it yields, with a zero letter. What a loop does with a letter should not take long: see the driver for what it keeps from others.
func (l *Letters) All(ctx context.Context, filter LetterFilter) iter.Seq2[Letter, error] {
	return func(yield func(Letter, error) bool) {
		more := true
		err := l.walk(ctx, filter.fits, func(letter *Letter, _ LetterWalk) (bool, error) {
			more = yield(*letter, nil)
			return more, nil
		})
		if err != nil && more {
			yield(Letter{}, err)
		}
	}
}

// Redrive gives the letters that fit back to the queue, the oldest first, each once, also when it dies again meanwhile. It returns how many.
//
// The message is the original: its id, body, headers, content type and time are kept. It begins anew, as a first attempt, with neither the
// reason nor the stack of its death in its headers; they are in HeaderHistory. A letter is taken out when the broker has confirmed the message:
// a crash in between leaves both, never neither. What dies more than a minute after the call began is left. Redrive ends with the first error,
// and the letter that it is about stays.
func (l *Letters) Redrive(ctx context.Context, filter LetterFilter, opts RedriveOptions) (int, error) {
	if err := opts.check(); err != nil {
		return 0, err
	}
	r := newRedrive(filter, opts)
	for r.again = true; r.again; {
		r.again = false
		if err := l.walk(ctx, r.fits, func(letter *Letter, walk LetterWalk) (bool, error) {
			return r.giveBack(ctx, letter, walk)
		}); err != nil {
			return r.n, err
		}
	}
	return r.n, nil
}

// Purge takes the letters that fit out for good, and returns how many. What comes meanwhile stays, unless it fits too.
func (l *Letters) Purge(ctx context.Context, filter LetterFilter) (int, error) {
	n := 0
	err := l.walk(ctx, filter.fits, func(_ *Letter, walk LetterWalk) (bool, error) {
		removed, err := walk.Remove(ctx)
		if removed {
			n++
		}
		return true, err
	})
	return n, err
}

// walk calls visit for each letter that fits, until it wants no more.
func (l *Letters) walk(ctx context.Context, fits func(*Letter) bool, visit func(*Letter, LetterWalk) (more bool, err error)) (err error) {
	walk, err := l.box.OpenLetters(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, walk.Close(ctx)) }()
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
