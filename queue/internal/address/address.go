// Package address determines where a broker is: at a fixed URL, or at the URLs that a function of
// the user returns for each connection. It is shared by the drivers.
package address

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
)

// Func returns the broker's URLs, in the order in which they must be tried.
type Func = func(ctx context.Context) ([]string, error)

// Book returns the URLs of a broker. It must be made by [Fixed] or [Asked]. It is safe for
// concurrent use.
type Book struct {
	fixed []string
	ask   Func
	calls chan struct{} // one element for each call under way
}

// maxCalls is the most calls of the function that run at a time. One that hangs keeps its place,
// because a goroutine can't be stopped.
const maxCalls = 16

var (
	// ErrNone is returned if the function has returned no URL.
	ErrNone = errors.New("Config.URLs returned no URL")

	errGoexit = errors.New("runtime.Goexit")
)

// Fixed returns a Book with one URL.
func Fixed(url string) *Book { return &Book{fixed: []string{url}} }

// Asked returns a Book that calls f for each connection.
func Asked(f Func) *Book { return &Book{ask: f, calls: make(chan struct{}, maxCalls)} }

// URLs returns the broker's present URLs, at least one. It returns an error if the function panics,
// calls runtime.Goexit, returns no URL, or does not return before ctx ends. In the last case its
// goroutine is abandoned.
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

// call sends the result of f to told, or an error if f doesn't return.
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
