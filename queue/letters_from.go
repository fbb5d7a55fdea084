package queue

import (
	"context"
	"fmt"
	"iter"
	"strconv"
	"strings"
)

// LetterSeeker is an optional capability of a [LetterWalk]: to begin behind a letter. The drivers
// memory, nats, embedded and postgres have it.
type LetterSeeker interface {
	LetterWalk

	// Position returns where the letter is that Next returned last, as a text without spaces.
	Position() string

	// Seek makes Next go on behind a position, whether or not its letter is still there. It returns
	// an error that wraps [ErrConfig] for a text that is no position. It is called before Next.
	Seek(position string) error
}

// PlacedLetter is a letter with its place among the others.
type PlacedLetter struct {
	Letter

	// Cursor is what [Letters.From] takes to go on behind the letter.
	Cursor string
}

// From returns an iterator like that of [Letters.All] over all letters behind a cursor, so that a
// list can be shown in parts. An empty cursor begins with the oldest letter. A cursor stays valid:
// letters that come, go or are given back change nothing about those behind it.
//
// It is not so where the broker can only read from the beginning, as RabbitMQ. There a cursor is a
// number of letters that are passed over, each of which is read, and hidden from others meanwhile.
//
// A text that is no cursor of the queue is an error that wraps [ErrConfig].
func (l *Letters) From(ctx context.Context, cursor string) iter.Seq2[PlacedLetter, error] {
	return func(yield func(PlacedLetter, error) bool) {
		more, n := true, 0
		at, err := placeOf(cursor)
		if err == nil {
			err = l.walk(ctx, at.seek, LetterFilter{}.fits, func(letter *Letter, w LetterWalk) (bool, error) {
				if n++; n > at.skip {
					more = yield(PlacedLetter{*letter, cursorOf(w, n)}, nil)
				}
				return more, nil
			})
		}
		if err != nil && more {
			yield(PlacedLetter{}, err)
		}
	}
}

// The kinds of cursors: a driver's position, and a number of letters.
const (
	cursorPosition = "p"
	cursorNumber   = "n"
)

// place is what a cursor has.
type place struct {
	position string // empty for a number
	skip     int
}

// placeOf reads a cursor.
func placeOf(cursor string) (p place, err error) {
	position, isPosition := strings.CutPrefix(cursor, cursorPosition)
	number, isNumber := strings.CutPrefix(cursor, cursorNumber)
	switch {
	case cursor == "":
		return place{}, nil
	case isPosition && position != "":
		return place{position: position}, nil
	case isNumber:
		p.skip, err = strconv.Atoi(number)
	}
	if err != nil || p.skip < 1 {
		return place{}, badCursor(cursor)
	}
	return p, nil
}

func badCursor(cursor string) error {
	return fmt.Errorf("%w: the cursor is %.80q, want one that From has returned for this queue", ErrConfig, cursor)
}

// seek goes to the place, as far as the walk can.
func (p place) seek(w LetterWalk) error {
	if p.position == "" {
		return nil
	}
	s, can := w.(LetterSeeker)
	if !can {
		return badCursor(cursorPosition + p.position)
	}
	return s.Seek(p.position)
}

// cursorOf returns the cursor of the n-th letter of a walk.
func cursorOf(w LetterWalk, n int) string {
	if s, can := w.(LetterSeeker); can {
		return cursorPosition + s.Position()
	}
	return cursorNumber + strconv.Itoa(n)
}
