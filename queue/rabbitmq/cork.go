package rabbitmq

import (
	"errors"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// cork is a socket that can buffer writes, so that many small frames become one write. The client
// flushes after each acknowledgement and each message, and the system call costs more than the
// frame. It is safe for concurrent use.
type cork struct {
	net.Conn
	silence atomic.Int64 // nanoseconds without a byte from the broker after which reads fail; 0: the client decides

	mu     sync.Mutex
	in     bool
	buffer []byte
}

// corkSize is the size of the buffer.
const corkSize = 32 << 10

// Write sends p, or buffers it until pull.
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

// expect makes reads fail when nothing comes for that long, from the next byte on. It replaces the
// client's own deadlines. The client renews those on the goroutine that also writes heartbeats. It
// would therefore end the connection to a broker that has stopped reading, although the broker
// still sends its heartbeats.
func (c *cork) expect(silence time.Duration) { c.silence.Store(int64(silence)) }

// Read reads from the broker.
func (c *cork) Read(p []byte) (int, error) {
	if limit := c.silence.Load(); limit > 0 {
		if err := c.Conn.SetReadDeadline(time.Now().Add(time.Duration(limit))); err != nil {
			return 0, err
		}
	}
	n, err := c.Conn.Read(p)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		_ = c.Conn.Close() // a write that hangs must return, too
	}
	return n, err
}

// SetReadDeadline is called by the client to bound its wait for heartbeats.
func (c *cork) SetReadDeadline(t time.Time) error {
	if c.silence.Load() > 0 {
		return nil
	}
	return c.Conn.SetReadDeadline(t)
}

// push buffers writes from now on.
func (c *cork) push() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.in = true
}

// pull sends the buffer. If that fails, it cuts the connection, because its stream is incomplete.
func (c *cork) pull() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.in = false
	if c.flush() != nil {
		_ = c.Conn.Close() // the reader notices
	}
}

// flush writes the buffer. mu must be held.
func (c *cork) flush() error {
	if len(c.buffer) == 0 {
		return nil
	}
	_, err := c.Conn.Write(c.buffer)
	c.buffer = c.buffer[:0]
	return err
}
