package rabbitmq

import (
	"errors"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// cork is a socket that can hold back what is written to it, so that many small frames become one write: the client flushes after each
// acknowledgement and each message, and the system call costs more than the frame. It is safe for concurrent use.
type cork struct {
	net.Conn
	silence atomic.Int64 // nanoseconds without a byte of the broker's after which it is given up; 0: the client decides

	mu     sync.Mutex
	in     bool
	buffer []byte
}

// corkSize is how much is held back at most.
const corkSize = 32 << 10

// Write sends p, or keeps it until Pull.
func (c *cork) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.in {
		return c.Conn.Write(p)
	}
	c.buffer = append(c.buffer, p...)
	if len(c.buffer) < corkSize {
		return len(p), nil
	}
	return len(p), c.flush()
}

// expect has reads fail when nothing comes for that long, from the next byte on. The client's own deadlines no longer count: it renews them on the
// goroutine that also writes heartbeats, so that a broker which has stopped to read would be given up although it goes on to send its own.
func (c *cork) expect(silence time.Duration) { c.silence.Store(int64(silence)) }

// Read reads what the broker sends.
func (c *cork) Read(p []byte) (int, error) {
	if limit := c.silence.Load(); limit > 0 {
		if err := c.Conn.SetReadDeadline(time.Now().Add(time.Duration(limit))); err != nil {
			return 0, err
		}
	}
	n, err := c.Conn.Read(p)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		_ = c.Conn.Close() // whoever hangs in a write must return, too
	}
	return n, err
}

// SetReadDeadline is how the client bounds its wait for heartbeats.
func (c *cork) SetReadDeadline(t time.Time) error {
	if c.silence.Load() > 0 {
		return nil
	}
	return c.Conn.SetReadDeadline(t)
}

// push holds back what is written from now on.
func (c *cork) push() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.in = true
}

// pull sends what was held back. When that fails the connection is cut, for its stream has a hole.
func (c *cork) pull() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.in = false
	if c.flush() != nil {
		_ = c.Conn.Close() // the reader notices
	}
}

// flush writes the buffer. The caller holds mu.
func (c *cork) flush() error {
	if len(c.buffer) == 0 {
		return nil
	}
	_, err := c.Conn.Write(c.buffer)
	c.buffer = c.buffer[:0]
	return err
}
