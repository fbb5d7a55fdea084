package wire

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"
)

// Kind is the kind of a [Frame]. The set is closed.
type Kind uint8

const (
	// KindRun has a [Task], and begins a call.
	KindRun Kind = iota + 1
	// KindCancel has the cause, and cancels the context of a call.
	KindCancel
	// KindHello has a [Hello]. It is the first frame of a child.
	KindHello
	// KindResult has a [Result], and ends a call.
	KindResult
	// KindLog has a [Record].
	KindLog
	// KindProgress has what the job reports, as it is.
	KindProgress
)

// Frame is one message.
type Frame struct {
	Kind Kind
	Call uint32 // zero for a frame that belongs to no call
	Body []byte
}

// ErrFrame is wrapped by the errors of a reader that finds something else than a frame.
var ErrFrame = errors.New("not a frame of this protocol")

// header is the length of a frame without its body.
const header = 9

// Reader reads frames. It belongs to one goroutine.
type Reader struct {
	from  *bufio.Reader
	limit int
}

// NewReader returns a reader of frames with bodies of at most limit bytes.
func NewReader(from io.Reader, limit int) *Reader {
	return &Reader{bufio.NewReaderSize(from, 64<<10), limit}
}

// Next returns the next frame. The error is io.EOF at the end, and wraps [ErrFrame] for anything
// that is not a frame.
func (r *Reader) Next() (Frame, error) {
	h, err := r.from.Peek(header)
	if err != nil {
		return Frame{}, cutOff(err, len(h))
	}
	f := Frame{Kind: Kind(h[4]), Call: binary.BigEndian.Uint32(h[5:])}
	size := binary.BigEndian.Uint32(h[:4])
	switch {
	case f.Kind < KindRun || f.Kind > KindProgress:
		return Frame{}, fmt.Errorf("%w: kind %d", ErrFrame, f.Kind)
	case uint64(size) > uint64(r.limit):
		return Frame{}, fmt.Errorf("%w: %d bytes; at most %d are taken", ErrFrame, size, r.limit)
	}
	_, _ = r.from.Discard(header) // it is there
	f.Body = make([]byte, size)
	if _, err := io.ReadFull(r.from, f.Body); err != nil {
		return Frame{}, fmt.Errorf("frame cut off: %w", err)
	}
	return f, nil
}

// cutOff returns the error of a header of which n bytes have come.
func cutOff(err error, n int) error {
	if err == io.EOF && n > 0 { //nolint:errorlint // as Peek returns it
		return io.ErrUnexpectedEOF
	}
	return err
}

// Writer writes frames. Its methods are safe for concurrent use.
type Writer struct {
	mu  sync.Mutex
	to  io.Writer
	buf []byte
}

// NewWriter returns a writer.
func NewWriter(to io.Writer) *Writer { return &Writer{to: to} }

// small is the size up to which a frame is copied, to be written at once.
const small = 32 << 10

// Write writes a frame.
func (w *Writer) Write(f Frame) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.buf = binary.BigEndian.AppendUint32(w.buf[:0], uint32(len(f.Body)))
	w.buf = append(w.buf, byte(f.Kind))
	w.buf = binary.BigEndian.AppendUint32(w.buf, f.Call)
	if len(f.Body) <= small {
		w.buf = append(w.buf, f.Body...)
		_, err := w.to.Write(w.buf)
		return err
	}
	if _, err := w.to.Write(w.buf); err != nil {
		return err
	}
	_, err := w.to.Write(f.Body)
	return err
}
