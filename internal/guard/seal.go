package guard

import (
	"context"
	"errors"
	"fmt"
	"reflect"
)

const (
	// maxText is the most bytes of a text that are kept.
	maxText = 16 << 10

	// maxNodes is the most errors of one tree that are read. A larger tree, or one with a circle,
	// is marked as not held.
	maxNodes = 256
)

// SealedError is an error that was read once. Its methods call none of the error's.
type SealedError struct {
	text    string
	tree    []error // the error and all that it wraps, as far as it was read; compared, never called
	callers []uintptr
	stack   string
	held    bool
}

// These are the types of the errors of errors.New and of context.DeadlineExceeded. Their methods
// are harmless.
var (
	plain    = reflect.TypeOf(errors.New(""))
	exceeded = reflect.TypeOf(context.DeadlineExceeded)
)

// Seal reads err and returns its sealed form. It returns err itself if that is nil, sealed,
// [context.DeadlineExceeded], or made by [errors.New].
//
// Seal calls methods of err on the calling goroutine. It recovers their panics, and follows Unwrap
// to a bounded number of errors. A method that blocks, or calls [runtime.Goexit], does so to the
// caller.
func Seal(err error) error {
	if err == nil {
		return nil
	}
	if t := reflect.TypeOf(err); t == plain || t == exceeded {
		return err
	}
	if _, sealed := err.(*SealedError); sealed { //nolint:errorlint // the outermost only: what it wraps has to be read
		return err
	}
	s := &SealedError{held: true}
	s.read(err)
	return s
}

// Error returns the text of the error, cut to 16 KiB. If its Error method panicked, the text names
// the type and the panic.
func (s *SealedError) Error() string { return s.text }

// Unwrap returns the error itself, so that errors.Is and errors.As see it. It returns nil if one of
// the methods that read it panicked, or if Unwrap led to too many errors.
func (s *SealedError) Unwrap() error {
	if !s.held {
		return nil
	}
	return s.tree[0]
}

// Stack returns the stack of the error, or "" if it has none.
func (s *SealedError) Stack() string {
	if s.callers != nil {
		return Callers(s.callers).String()
	}
	return s.stack
}

func (s *SealedError) read(err error) {
	text, fault := attempt(err.Error)
	if fault != "" {
		s.held = false
		text = fmt.Sprintf("error of type %T, whose Error method panicked: %s", err, fault)
	}
	s.text = cut(text)
	s.walk(err)
}

// walk reads the tree in the order of errors.Is: depth first.
func (s *SealedError) walk(root error) {
	pending := []error{root}
	for len(pending) > 0 {
		if len(s.tree) == maxNodes {
			s.held = false
			return
		}
		err := pending[len(pending)-1]
		pending = pending[:len(pending)-1]
		if inner, sealed := err.(*SealedError); sealed { //nolint:errorlint // this node
			s.take(inner)
			continue
		}
		s.tree = append(s.tree, err)
		s.readStack(err)
		pending = s.unwrap(err, pending)
	}
}

// take adds the tree that another SealedError has read.
func (s *SealedError) take(inner *SealedError) {
	s.tree = append(s.tree, inner)
	s.tree = append(s.tree, inner.tree[:min(len(inner.tree), maxNodes-min(len(s.tree), maxNodes))]...)
	if s.callers == nil && s.stack == "" {
		s.callers, s.stack = inner.callers, inner.stack
	}
}

// unwrap adds the errors that err wraps to those that are pending, the first on top.
func (s *SealedError) unwrap(err error, pending []error) []error {
	var wrapped []error
	_, fault := attempt(func() string {
		switch err := err.(type) { //nolint:errorlint // this node
		case interface{ Unwrap() error }:
			wrapped = []error{err.Unwrap()}
		case interface{ Unwrap() []error }:
			wrapped = err.Unwrap()
		}
		return ""
	})
	if fault != "" || len(wrapped) > maxNodes {
		s.held = false
		return pending
	}
	for i := len(wrapped) - 1; i >= 0; i-- {
		if wrapped[i] != nil {
			pending = append(pending, wrapped[i])
		}
	}
	return pending
}

// readStack keeps the first stack. Stack turns program counters into a text.
func (s *SealedError) readStack(err error) {
	if s.callers != nil || s.stack != "" {
		return
	}
	_, _ = attempt(func() string {
		switch err := err.(type) { //nolint:errorlint // this node
		case interface{ Callers() []uintptr }:
			pcs := err.Callers()
			s.callers = pcs[:min(len(pcs), maxCallers)]
		case interface{ Stack() string }:
			s.stack = cut(err.Stack())
		}
		return ""
	})
}
