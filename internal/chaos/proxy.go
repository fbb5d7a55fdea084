package chaos

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"net/url"
	"sync"
	"time"
)

// Proxy is the network between client and broker. It is safe for concurrent use.
type Proxy struct {
	broker *url.URL
	addr   string
	work   sync.WaitGroup

	mu       sync.Mutex
	listener net.Listener // nil while it refuses
	conns    map[net.Conn]bool
	weather  weather
	born     int           // connections so far
	changed  chan struct{} // closed when the weather changes
	closed   bool
}

// weather is how the network is now.
type weather struct {
	stalled bool
	frozen  int           // the connections up to this one are stalled
	delay   time.Duration // of each piece of data
	shuffle time.Duration // connections are passed on after a random part of it
}

// NewProxy returns a proxy to the broker at the URL, which names one host and its port. It passes
// everything on.
func NewProxy(at string) (*Proxy, error) {
	broker, err := url.Parse(at)
	if err != nil {
		return nil, errors.New("chaos: proxy: the URL can't be parsed")
	}
	p := &Proxy{broker: broker, addr: "127.0.0.1:0", conns: map[net.Conn]bool{}, changed: make(chan struct{})}
	return p, p.Accept()
}

// URL is the broker's, by way of the proxy.
func (p *Proxy) URL() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	at := *p.broker
	at.Host = p.addr
	return at.String()
}

// Redirect leads new connections to another broker.
func (p *Proxy) Redirect(at string) error {
	broker, err := url.Parse(at)
	if err != nil {
		return errors.New("chaos: proxy: the URL can't be parsed")
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.broker = broker
	return nil
}

func (p *Proxy) host() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.broker.Host
}

// Cut closes every connection that there is; new ones are passed on as before.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		_ = c.Close() // the second close fails
	}
}

// Refuse cuts every connection, and lets none in until Accept.
func (p *Proxy) Refuse() {
	p.mu.Lock()
	if p.listener != nil {
		_ = p.listener.Close()
		p.listener = nil
	}
	p.mu.Unlock()
	p.Cut()
}

// Accept undoes Refuse.
func (p *Proxy) Accept() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.listener != nil || p.closed {
		return nil
	}
	l, err := net.Listen("tcp", p.addr)
	if err != nil {
		return err
	}
	p.listener, p.addr = l, l.Addr().String()
	p.work.Go(func() { p.accept(l) })
	return nil
}

// Stall lets nothing through in either direction, without a signal: connections stay open, and new
// ones are made and stay silent.
func (p *Proxy) Stall() { p.set(func(w *weather) { w.stalled = true }) }

// Freeze stalls the connections that there are; new ones are passed on.
func (p *Proxy) Freeze() { p.set(func(w *weather) { w.frozen = p.born }) }

// Slow delays each piece of data.
func (p *Proxy) Slow(by time.Duration) { p.set(func(w *weather) { w.delay = by }) }

// Shuffle lets connection attempts overtake each other by up to that much.
func (p *Proxy) Shuffle(by time.Duration) { p.set(func(w *weather) { w.shuffle = by }) }

// Clear ends stalling, freezing, slowing and shuffling.
func (p *Proxy) Clear() { p.set(func(w *weather) { *w = weather{} }) }

// Close ends everything.
func (p *Proxy) Close() {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.Clear()
	p.Refuse()
	p.work.Wait()
}

func (p *Proxy) set(change func(*weather)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change(&p.weather)
	close(p.changed)
	p.changed = make(chan struct{})
}

func (p *Proxy) now() (weather, <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.weather, p.changed
}

func (p *Proxy) number() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.born++
	return p.born
}

func (p *Proxy) accept(l net.Listener) {
	for {
		client, err := l.Accept()
		if err != nil {
			return
		}
		if !p.keep(l, client) {
			continue
		}
		p.work.Go(func() { p.connect(l, client) })
	}
}

// keep notes a connection, unless its listener is closed already.
func (p *Proxy) keep(l net.Listener, c net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.listener != l {
		_ = c.Close()
		return false
	}
	p.conns[c] = true
	return true
}

func (p *Proxy) drop(c net.Conn) {
	_ = c.Close()
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.conns, c)
}

func (p *Proxy) connect(l net.Listener, client net.Conn) {
	defer p.drop(client)
	if w, changed := p.now(); w.shuffle > 0 {
		pause(changed, rand.N(w.shuffle)) //nolint:gosec // chaos
	}
	server, err := (&net.Dialer{}).DialContext(context.Background(), "tcp", p.host())
	if err != nil {
		return
	}
	defer p.drop(server)
	if !p.keep(l, server) {
		return
	}
	number := p.number()
	var both sync.WaitGroup
	both.Go(func() { p.pass(number, client, server) })
	both.Go(func() { p.pass(number, server, client) })
	both.Wait()
}

// pass copies until one side ends, and then ends both.
func (p *Proxy) pass(number int, from, to net.Conn) {
	defer to.Close()
	defer from.Close()
	data := make([]byte, 32<<10)
	for {
		n, err := from.Read(data)
		if n > 0 {
			p.hold(number)
			if _, err := to.Write(data[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// hold waits while the weather is stalled. A connection that is closed meanwhile is seen only
// afterwards.
func (p *Proxy) hold(number int) {
	for {
		w, changed := p.now()
		if !w.stalled && number > w.frozen {
			pause(changed, w.delay)
			return
		}
		<-changed
	}
}

// pause waits for d, or until something changes.
func pause(changed <-chan struct{}, d time.Duration) {
	if d <= 0 {
		return
	}
	select {
	case <-changed:
	case <-time.After(d):
	}
}

// within bounds one question.
func within(d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), d)
}
