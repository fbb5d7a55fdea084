package guard_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/internal/guard"
	"github.com/gentask/gentask/internal/guard/guardtest"
)

func TestSealedErrorsAreHarmless(t *testing.T) {
	for _, c := range guardtest.Errors() {
		t.Run(c.Name, func(t *testing.T) {
			sealed := guard.Seal(c.Err)
			require.Error(t, sealed)
			assert.NotEmpty(t, sealed.Error())
			assert.LessOrEqual(t, len(sealed.Error()), 17<<10)
			assert.Same(t, sealed, guard.Seal(sealed))
			wrapped := fmt.Errorf("about it: %w", sealed)
			for _, e := range []error{sealed, wrapped, guard.Seal(wrapped)} {
				assert.False(t, guard.Is(e, context.Canceled))
				assert.True(t, guard.Is(e, sealed))
				_, ok := guard.As[*guard.SealedError](e)
				assert.True(t, ok)
				assert.Empty(t, guard.Stack(e))
			}
		})
	}
}

func TestSealOffersOnlyWhatHeld(t *testing.T) {
	held := map[string]bool{}
	for _, c := range guardtest.Errors() {
		held[c.Name] = errors.Unwrap(guard.Seal(c.Err)) != nil
	}
	assert.Equal(t, map[string]bool{
		"typed nil": false, "typed nil with Unwrap": false, "Error panics": false,
		"Unwrap panics": false, "circle": false,
		"circle by lists": false, "deep": false, "wraps hostile ones": false,
		"Is lies": true, "Is and As panic": true, "uncomparable": true,
		"comparable by its type only": true, "Format panics": true,
		"func": true, "Stack panics": true, "huge text": true, "panics the second time": true,
	}, held)
	mine := &causeError{io.EOF}
	sealed := guard.Seal(fmt.Errorf("because: %w", mine))
	assert.Equal(t, "because: cause", sealed.Error())
	require.ErrorIs(t, sealed, io.EOF)
	var found *causeError
	require.ErrorAs(t, sealed, &found)
	assert.Same(t, mine, found)
	assert.True(t, guard.Is(sealed, io.EOF))
	assert.True(t, guard.Is(sealed, guard.Seal(mine)), "sealed or not")
	got, ok := guard.As[*causeError](sealed)
	assert.True(t, ok)
	assert.Same(t, mine, got)
}

func TestSealLeavesPlainErrorsAlone(t *testing.T) {
	require.NoError(t, guard.Seal(nil))
	assert.Same(t, io.EOF, guard.Seal(io.EOF))
	assert.Equal(t, context.DeadlineExceeded, guard.Seal(context.DeadlineExceeded))
	assert.Zero(t, testing.AllocsPerRun(100, func() { _ = guard.Seal(io.EOF) }))
}

// causeError is a harmless error.
type causeError struct{ error }

func (*causeError) Error() string   { return "cause" }
func (c *causeError) Unwrap() error { return c.error }

type stringer struct{ f func() string }

func (s stringer) String() string { return s.f() }

type withText struct{ Inner any }

func TestTextOfAnything(t *testing.T) {
	loop := []any{nil}
	loop[0] = loop
	for name, c := range map[string]struct {
		v    any
		want string
	}{
		"nil":               {nil, "<nil>"},
		"string":            {"text", "text"},
		"int":               {7, "7"},
		"error":             {io.EOF, "EOF"},
		"struct":            {withText{Inner: 1}, "{1}"},
		"Error exits":       {guardtest.Exits(), "whose methods do not return"},
		"String panics":     {stringer{func() string { panic("no") }}, "PANIC=String method: no"},
		"nested panic":      {stringer{func() string { panic(stringer{func() string { panic("no") }}) }}, "stringer"},
		"inner Error exits": {withText{Inner: guardtest.Exits()}, "whose methods do not return"},
		"itself":            {loop, "a value of type []interface {}"},
		"map":               {map[string]int{"a": 1}, "a value of type map[string]int"},
		"large":             {make([]int, 1e6), "a value of type []int"},
	} {
		assert.Contains(t, guard.Text(c.v), c.want, name)
	}
	assert.LessOrEqual(t, len(guard.Text(strings.Repeat("ä", 1<<20))), 17<<10)
	assert.Contains(t, guard.Text(runtimeError()), "index out of range")
}

func runtimeError() (v any) {
	defer func() { v = recover() }()
	return []int{}[len(fmt.Sprint())]
}

func ExampleSeal() {
	var none *causeError // a job that returns it has failed, though there is nothing in it
	sealed := guard.Seal(fmt.Errorf("not found: %w", none))
	fmt.Println(sealed)
	fmt.Println(errors.Unwrap(sealed))
	// Output:
	// not found: cause
	// <nil>
}
