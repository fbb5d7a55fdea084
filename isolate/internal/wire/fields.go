package wire

import (
	"encoding/binary"
	"fmt"
)

// fields appends values to a body.
type fields []byte

func (f *fields) uint(v uint64)  { *f = binary.AppendUvarint(*f, v) }
func (f *fields) int(v int64)    { *f = binary.AppendVarint(*f, v) }
func (f *fields) text(s string)  { f.uint(uint64(len(s))); *f = append(*f, s...) }
func (f *fields) bytes(b []byte) { f.uint(uint64(len(b))); *f = append(*f, b...) }

func (f *fields) flag(yes bool) {
	var v uint64
	if yes {
		v = 1
	}
	f.uint(v)
}

func (f *fields) list(l []string) {
	f.uint(uint64(len(l)))
	for _, s := range l {
		f.text(s)
	}
}

func (f *fields) pairs(m map[string]string) {
	f.uint(uint64(len(m)))
	for k, v := range m {
		f.text(k)
		f.text(v)
	}
}

// source takes values from a body. After the first that is wrong, all are zero.
type source struct {
	rest []byte
	err  error
}

func (s *source) fail(what string) {
	if s.err == nil {
		s.err = fmt.Errorf("%w: %s", ErrFrame, what)
	}
	s.rest = nil
}

func (s *source) uint() uint64 {
	v, n := binary.Uvarint(s.rest)
	if n <= 0 {
		s.fail("number cut off")
		return 0
	}
	s.rest = s.rest[n:]
	return v
}

func (s *source) int() int64 {
	v, n := binary.Varint(s.rest)
	if n <= 0 {
		s.fail("number cut off")
		return 0
	}
	s.rest = s.rest[n:]
	return v
}

func (s *source) flag() bool { return s.uint() == 1 }

// bytes returns a part of the body: it is not copied.
func (s *source) bytes() []byte {
	n := s.uint()
	if n > uint64(len(s.rest)) {
		s.fail("text cut off")
		return nil
	}
	b := s.rest[:n:n]
	s.rest = s.rest[n:]
	return b
}

func (s *source) text() string { return string(s.bytes()) }

// count returns a number of values that follow, each of at least a byte.
func (s *source) count() int {
	n := s.uint()
	if n > uint64(len(s.rest)) {
		s.fail("list cut off")
		return 0
	}
	return int(n)
}

func (s *source) list() []string {
	n := s.count()
	if n == 0 {
		return nil
	}
	l := make([]string, 0, n)
	for range n {
		l = append(l, s.text())
	}
	return l
}

func (s *source) pairs() map[string]string {
	n := s.count()
	if n == 0 {
		return nil
	}
	m := make(map[string]string, n)
	for range n {
		k := s.text()
		m[k] = s.text()
	}
	return m
}

// end returns the first error, or one if something is left.
func (s *source) end() error {
	if s.err == nil && len(s.rest) > 0 {
		s.fail("more than there should be")
	}
	return s.err
}
