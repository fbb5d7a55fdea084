package postgres_test

import (
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
)

// proxy stands between a broker and its server, and can be cut.
type proxy struct {
	listener net.Listener
	target   string
	at       string // the address of the server that the proxy's takes the place of
	work     sync.WaitGroup

	mu    sync.Mutex
	conns map[net.Conn]bool
	held  bool // takes everything and passes nothing on

	muted    atomic.Bool // what the server sends is lost
	refusing atomic.Bool // connections are refused
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

// newProxyOf returns a proxy of the server at an address.
func newProxyOf(t testing.TB, at string) *proxy {
	t.Helper()
	cfg, err := pgx.ParseConfig(at)
	require.NoError(t, err)
	p := newProxy(t, net.JoinHostPort(cfg.Host, strconv.Itoa(int(cfg.Port))))
	p.at = at
	return p
}

func (p *proxy) url() string {
	at := p.at
	if at == "" {
		at = url()
	}
	return strings.Replace(at, p.target, p.listener.Addr().String(), 1)
}

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

// close refuses connections until open.
func (p *proxy) close() {
	p.refusing.Store(true)
	p.cut()
}

// mute loses what the server sends until open.
func (p *proxy) mute() { p.muted.Store(true) }

func (p *proxy) open() {
	if p.muted.Swap(false) {
		p.cut() // a connection with a hole is of no use
	}
	p.refusing.Store(false)
}

// backWriter writes to the client.
type backWriter struct{ writer }

func (w backWriter) Write(b []byte) (int, error) {
	if w.p.muted.Load() {
		return len(b), nil
	}
	return w.writer.Write(b)
}
