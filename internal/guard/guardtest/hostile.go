// Package guardtest has errors and panic values whose methods misbehave, for tests of what reads
// them.
package guardtest

import (
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
)

// The errors below misbehave in one way each.
type (
	typedNilError     struct{ text string }
	nilUnwrapError    struct{ cause error }
	panicsError       struct{}
	panicsUnwrapError struct{}
	circularError     struct{ next error }
	manySelfError     struct{}
	liesIsError       struct{}
	panicsAsError     struct{}
	uncomparableError struct{ m map[string]int }
	hiddenError       struct{ v any }
	formatsError      struct{}
	funcError         func()
	panicsStackError  struct{}
	onceError         struct{ calls int }
	exitsError        struct{}
)

func (e *typedNilError) Error() string      { return e.text }
func (e *nilUnwrapError) Error() string     { return "nil" }
func (e *nilUnwrapError) Unwrap() error     { return e.cause }
func (panicsError) Error() string           { panic("no text") }
func (panicsUnwrapError) Error() string     { return "panics in Unwrap" }
func (panicsUnwrapError) Unwrap() error     { panic("no cause") }
func (circularError) Error() string         { return "circular" }
func (c *circularError) Unwrap() error      { return c.next }
func (manySelfError) Error() string         { return "many" }
func (e manySelfError) Unwrap() []error     { return []error{nil, e, e} }
func (liesIsError) Error() string           { return "lies" }
func (liesIsError) Is(error) bool           { return true }
func (panicsAsError) Error() string         { return "panics in As" }
func (panicsAsError) As(any) bool           { panic("as") }
func (panicsAsError) Is(error) bool         { panic("is") }
func (uncomparableError) Error() string     { return "uncomparable" }
func (hiddenError) Error() string           { return "hidden" }
func (formatsError) Error() string          { return "formats" }
func (formatsError) Format(fmt.State, rune) { panic("format") }
func (funcError) Error() string             { return "func" }
func (panicsStackError) Error() string      { return "stack" }
func (panicsStackError) Stack() string      { panic("stack") }

func (o *onceError) Error() string {
	if o.calls++; o.calls > 1 {
		panic("read twice")
	}
	return "read once"
}

func (exitsError) Error() string {
	runtime.Goexit()
	return ""
}

// Case is one hostile error.
type Case struct {
	Name string
	Err  error
}

// Errors returns errors that misbehave when they are read, but return when their methods are
// called, or panic. Each call makes them afresh.
func Errors() []Case {
	circle := &circularError{}
	circle.next = circle
	return []Case{
		{"typed nil", (*typedNilError)(nil)},
		{"typed nil with Unwrap", (*nilUnwrapError)(nil)},
		{"Error panics", panicsError{}},
		{"Unwrap panics", panicsUnwrapError{}},
		{"circle", circle},
		{"circle by lists", manySelfError{}},
		{"Is lies", liesIsError{}},
		{"Is and As panic", panicsAsError{}},
		{"uncomparable", uncomparableError{m: map[string]int{}}},
		{"comparable by its type only", hiddenError{v: map[string]int{}}},
		{"Format panics", formatsError{}},
		{"func", funcError(func() {})},
		{"Stack panics", panicsStackError{}},
		{"huge text", errors.Join(errors.New(strings.Repeat("x", 10<<20)))},
		{"deep", deep(5000)},
		{"wraps hostile ones", errors.Join(panicsUnwrapError{}, (*typedNilError)(nil))},
		{"panics the second time", &onceError{}},
	}
}

// Exits returns an error whose Error method calls runtime.Goexit.
func Exits() error { return exitsError{} }

func deep(n int) error {
	err := io.EOF
	for range n {
		err = fmt.Errorf("%w", err)
	}
	return err
}
