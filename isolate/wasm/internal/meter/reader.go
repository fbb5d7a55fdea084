package meter

import "fmt"

// reader reads the binary format. The first error stays, and all that is read after it is zero.
type reader struct {
	data []byte
	at   int
	err  error
}

// fail notes an error, unless there is one.
func (r *reader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf(format, args...)
	}
	r.at = len(r.data)
}

// done reports whether everything is read.
func (r *reader) done() bool { return r.at >= len(r.data) }

func (r *reader) byte() byte {
	if r.done() {
		r.fail("it ends too early")
		return 0
	}
	r.at++
	return r.data[r.at-1]
}

// bytes returns the next n bytes.
func (r *reader) bytes(n int) []byte {
	if n < 0 || n > len(r.data)-r.at {
		r.fail("it ends too early")
		return nil
	}
	r.at += n
	return r.data[r.at-n : r.at : r.at]
}

// u32 reads an unsigned number of 32 bits.
func (r *reader) u32() uint32 {
	const longest = 5
	var value uint64
	for i := range longest {
		b := r.byte()
		value |= uint64(b&0x7f) << (7 * i)
		if b < 0x80 {
			if value > 1<<32-1 {
				break
			}
			return uint32(value)
		}
	}
	r.fail("a number is too large")
	return 0
}

// skip skips a number of at most n bytes.
func (r *reader) skip(n int) {
	for range n {
		if r.byte() < 0x80 {
			return
		}
	}
	r.fail("a number is too large")
}

// count reads how many items follow, each of which has a byte or more.
func (r *reader) count() int {
	n := r.u32()
	if uint64(n) > uint64(len(r.data)-r.at) {
		r.fail("a list is longer than the module")
		return 0
	}
	return int(n)
}

// appendU32 appends an unsigned number.
func appendU32(to []byte, value uint32) []byte {
	for ; value >= 0x80; value >>= 7 {
		to = append(to, byte(value)|0x80)
	}
	return append(to, byte(value))
}

// appendI32 appends a signed number.
func appendI32(to []byte, value int32) []byte {
	for {
		b := byte(value & 0x7f)
		value >>= 7
		if (value == 0 && b&0x40 == 0) || (value == -1 && b&0x40 != 0) {
			return append(to, b)
		}
		to = append(to, b|0x80)
	}
}
