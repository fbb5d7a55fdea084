package brokertest

import (
	"io"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
)

// Proxy is a TCP proxy between a client and its broker, for a test that cuts the network, or makes
// it silent. It ends with the test.
type Proxy struct {
	listener net.Listener
	broker   *url.URL
	work     sync.WaitGroup

	mu    sync.Mutex
	conns map[net.Conn]bool
	held  bool

	back     sync.RWMutex // locked while data from the server is held back
	muted    atomic.Bool  // data from the server is lost
	refusing atomic.Bool  // new connections are refused
	filter   atomic.Pointer[func([]byte) []byte]
}

// NewProxy returns a proxy to the broker at the URL, which names one host and its port.
func NewProxy(t testing.TB, at string) *Proxy {
	t.Helper()
	broker, err := url.Parse(at)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{listener: l, broker: broker, conns: map[net.Conn]bool{}}
	p.work.Go(p.accept)
	t.Cleanup(func() {
		l.Close()
		p.Cut()
		p.work.Wait()
	})
	return p
}

// URL returns the broker's URL with the address of the proxy.
func (p *Proxy) URL() string {
	at := *p.broker
	at.Host = p.listener.Addr().String()
	return at.String()
}

// Cut closes every connection without a flush or a protocol's close. New ones are still accepted.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		c.Close()
		delete(p.conns, c)
	}
}

// Refuse closes every connection, and refuses new ones until Open.
func (p *Proxy) Refuse() {
	p.refusing.Store(true)
	p.Cut()
}

// Mute loses what the broker sends, until Open.
func (p *Proxy) Mute() { p.muted.Store(true) }

// Open ends Refuse and Mute. After Mute it closes every connection: one with a hole is of no use.
func (p *Proxy) Open() {
	if p.muted.Swap(false) {
		p.Cut()
	}
	p.refusing.Store(false)
}

// Filter makes f change what the broker sends from now on, read by read.
func (p *Proxy) Filter(f func([]byte) []byte) { p.filter.Store(&f) }

// Hold makes the network take everything and deliver nothing, from now on. New connections are
// still accepted.
func (p *Proxy) Hold() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.held = true
}

// HoldBack keeps what the broker sends until release is called.
func (p *Proxy) HoldBack() (release func()) {
	p.back.Lock()
	return p.back.Unlock
}

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			p.Cut() // the connections that were accepted during the last Cut
			return
		}
		server, err := net.Dial("tcp", p.broker.Host)
		if err != nil {
			client.Close()
			continue
		}
		if !p.keep(client, server) {
			client.Close()
			server.Close()
			continue
		}
		p.work.Go(func() { p.pass(client, server, writer{p, server}) })
		p.work.Go(func() { p.pass(server, client, backWriter{writer{p, client}}) })
	}
}

// keep notes the two sides of a connection. It returns false if connections are refused by now.
func (p *Proxy) keep(client, server net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.refusing.Load() {
		return false
	}
	p.conns[client], p.conns[server] = true, true
	return true
}

// pass copies until one side ends, and then closes the other.
func (p *Proxy) pass(from, to net.Conn, by io.Writer) {
	_, _ = io.Copy(by, from)
	from.Close()
	to.Close()
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.conns, from)
	delete(p.conns, to)
}

// writer writes to one side, unless the proxy holds everything.
type writer struct {
	p  *Proxy
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

// backWriter writes to the client. It waits while the proxy holds that back.
type backWriter struct{ writer }

func (w backWriter) Write(b []byte) (int, error) {
	w.p.back.RLock()
	defer w.p.back.RUnlock()
	if w.p.muted.Load() {
		return len(b), nil
	}
	if f := w.p.filter.Load(); f != nil {
		if rest := (*f)(b); len(rest) < len(b) {
			_, err := w.writer.Write(rest)
			return len(b), err
		}
	}
	return w.writer.Write(b)
}
