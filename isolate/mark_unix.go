//go:build unix

package isolate

import (
	"math"
	"os"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// mark is a page of memory that a child shares with its parent. The child writes into it which call
// it has begun last. So the parent can find out, even of a dead child, if a job has begun. That
// costs a job one store.
type mark []byte

// newMark returns a mark, and the file by which the child gets it.
func newMark() (mark, *os.File, error) {
	f, err := memoryFile()
	if err != nil {
		return nil, nil, err
	}
	if err = f.Truncate(int64(os.Getpagesize())); err == nil {
		var m mark
		if m, err = openMark(f); err == nil {
			return m, f, nil
		}
	}
	_ = f.Close()
	return nil, nil, err
}

func openMark(f *os.File) (mark, error) {
	conn, err := f.SyscallConn()
	if err != nil {
		return nil, err
	}
	var page []byte
	if e := conn.Control(func(fd uintptr) {
		page, err = unix.Mmap(int(fd), 0, os.Getpagesize(), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	}); e != nil {
		err = e
	}
	return page, err
}

// set notes that a call has begun. Calls begin in the order of their numbers.
func (m mark) set(call uint32) { atomic.StoreUint32((*uint32)(unsafe.Pointer(&m[0])), call) }

// last returns the last call that has begun. Without a mark it is any.
func (m mark) last() uint32 {
	if m == nil {
		return math.MaxUint32
	}
	return atomic.LoadUint32((*uint32)(unsafe.Pointer(&m[0])))
}

// close gives the memory back.
func (m mark) close() {
	if m != nil {
		_ = unix.Munmap(m)
	}
}
