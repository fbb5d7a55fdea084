package nats_test

import (
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

// proxy stands between a broker and its server, and can be cut.
type proxy struct {
	listener net.Listener
	target   string
	work     sync.WaitGroup

	mu    sync.Mutex
	conns map[net.Conn]bool
	held  bool // accepts connections and passes nothing on

	back     sync.RWMutex // locked while data from the server is held back
	muted    atomic.Bool  // data from the server is lost
	refusing atomic.Bool  // connections are refused
}

func newProxy(t testing.TB, target string) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	p := &proxy{listener: l, target: target, conns: map[net.Conn]bool{}}
	p.work.Go(p.accept)
	t.Cleanup(func() {
		_ = l.Close()
		p.cut()
		p.work.Wait()
	})
	return p
}

func (p *proxy) url() string { return "nats://" + p.listener.Addr().String() }

func (p *proxy) accept() {
	for {
		in, err := p.listener.Accept()
		if err != nil {
			return
		}
		if p.refusing.Load() {
			_ = in.Close()
			continue
		}
		out, err := net.Dial("tcp", p.target)
		if err != nil {
			_ = in.Close()
			continue
		}
		p.mu.Lock()
		p.conns[in], p.conns[out] = true, true
		p.mu.Unlock()
		p.work.Go(func() { p.pass(in, writer{p, out}, out) })
		p.work.Go(func() { p.pass(out, backWriter{writer{p, in}}, in) })
	}
}

// pass copies until one side ends, and then ends the other.
func (p *proxy) pass(from net.Conn, by io.Writer, to net.Conn) {
	_, _ = io.Copy(by, from)
	_ = from.Close()
	_ = to.Close()
}

// cut closes every connection.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		_ = c.Close()
		delete(p.conns, c)
	}
}

// hold makes the network take everything and deliver nothing.
func (p *proxy) hold() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.held = true
}

type writer struct {
	p  *proxy
	to net.Conn
}

func (w writer) Write(b []byte) (int, error) {
	w.p.mu.Lock()
	held := w.p.held
	w.p.mu.Unlock()
	if held {
		return len(b), nil
	}
	return w.to.Write(b)
}

// backWriter writes to the client. It waits while the proxy keeps that back.
type backWriter struct{ writer }

func (w backWriter) Write(b []byte) (int, error) {
	w.p.back.RLock()
	defer w.p.back.RUnlock()
	if w.p.muted.Load() {
		return len(b), nil
	}
	return w.writer.Write(b)
}
