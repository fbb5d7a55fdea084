// Package address says where a broker is: at a URL that never changes, or wherever a function of the user's says, which is asked anew for each
// connection. It is shared by the drivers.
package address

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
)

// Func says where a broker is, in the order in which the URLs are to be tried.
type Func = func(ctx context.Context) ([]string, error)

// Book knows where a broker is. It is safe for concurrent use.
type Book struct {
	fixed []string
	ask   Func
	calls chan struct{} // one element for each call under way
}

// maxCalls bounds how many calls of the function run at a time. One that hangs takes a place for ever, and nobody can stop it.
const maxCalls = 16

var (
	// ErrNone is returned when the function has returned no URL.
	ErrNone = errors.New("Config.URLs returned no URL")

	errGoexit = errors.New("runtime.Goexit")
)

// Fixed returns a Book with one URL.
func Fixed(url string) *Book { return &Book{fixed: []string{url}} }

// Asked returns a Book that asks f.
func Asked(f Func) *Book { return &Book{ask: f, calls: make(chan struct{}, maxCalls)} }

// URLs returns where the broker is now: at least one URL. A function that panics, calls runtime.Goexit, returns nothing, or does not return
// before ctx ends, is an error; in the last case its goroutine is left to itself.
func (b *Book) URLs(ctx context.Context) ([]string, error) {
	if b.ask == nil {
		return b.fixed, nil
	}
	select {
	case b.calls <- struct{}{}:
	case <-ctx.Done():
		return nil, late(ctx)
	}
	told := make(chan answer, 1) // Buffered: a late answer must not block for ever.
	go func() {
		defer func() { <-b.calls }()
		call(ctx, b.ask, told)
	}()
	select {
	case a := <-told:
		if a.err == nil && len(a.urls) == 0 {
			a.err = ErrNone
		}
		return a.urls, a.err
	case <-ctx.Done():
		return nil, late(ctx)
	}
}

func late(ctx context.Context) error { return fmt.Errorf("Config.URLs did not return: %w", ctx.Err()) }

type answer struct {
	urls []string
	err  error
}

// call tells what f returns, or why it doesn't.
func call(ctx context.Context, f Func, told chan<- answer) {
	returned := false
	var a answer
	defer func() {
		switch r := recover(); {
		case returned:
		case r == nil:
			a.err = fmt.Errorf("Config.URLs did not return: %w", errGoexit)
		default:
			a.err = fmt.Errorf("Config.URLs panicked: %s\n%s", Scrub(fmt.Sprint(r)), debug.Stack())
		}
		told <- a
	}()
	a.urls, a.err = f(ctx)
	if a.err != nil {
		a.err = fmt.Errorf("Config.URLs: %w", ScrubError(a.err))
	}
	returned = true
}
