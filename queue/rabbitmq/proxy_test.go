package rabbitmq

import (
	"net"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// proxy stands between a Broker and RabbitMQ, and injects failures of networks and brokers.
type proxy struct {
	listener net.Listener
	target   string
	wg       sync.WaitGroup

	mu    sync.Mutex
	pairs []*pair
	slow  time.Duration
}

// pair is one connection through a proxy.
type pair struct {
	client, server net.Conn
	slow           time.Duration

	mu      sync.Mutex
	open    *sync.Cond
	stalled bool
	mute    bool // the broker's bytes are held up, too
	waiting bool // something is held up
}

func newProxy(t *testing.T) *proxy {
	t.Helper()
	p := &proxy{}
	changed(t, func(u *url.URL) { p.target = u.Host })
	var err error
	p.listener, err = net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	p.wg.Go(p.accept)
	t.Cleanup(func() {
		p.listener.Close()
		for _, one := range p.all() {
			one.close()
		}
		p.wg.Wait()
	})
	return p
}

// queue returns a queue whose broker is behind the proxy. It is deleted without the proxy.
func (p *proxy) queue(t *testing.T) *Queue {
	t.Helper()
	direct := newQueue(t, Config{Type: Classic})
	b, err := New(changed(t, func(u *url.URL) { u.Host = p.listener.Addr().String() }), Config{Type: Classic})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, b.Close()) })
	return b.Queue(direct.name)
}

func (p *proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", p.target)
		if err != nil {
			client.Close()
			continue
		}
		p.mu.Lock()
		one := &pair{client: client, server: server, slow: p.slow}
		one.open = sync.NewCond(&one.mu)
		p.pairs = append(p.pairs, one)
		p.mu.Unlock()
		p.wg.Go(one.forward)
		p.wg.Go(one.backward)
	}
}

func (p *proxy) all() []*pair {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.pairs
}

// last returns the newest connection.
func (p *proxy) last() *pair {
	all := p.all()
	return all[len(all)-1]
}

// delay makes every answer of connections to come late.
func (p *proxy) delay(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.slow = d
}

// forward passes on the client's bytes, unless it is stalled.
func (o *pair) forward() {
	defer o.close()
	buffer := make([]byte, 32<<10)
	for {
		n, err := o.client.Read(buffer)
		if err != nil {
			return
		}
		o.mu.Lock()
		for o.stalled {
			o.waiting = true
			o.open.Wait()
		}
		o.mu.Unlock()
		if _, err := o.server.Write(buffer[:n]); err != nil {
			return
		}
	}
}

// backward passes on the broker's bytes.
func (o *pair) backward() {
	defer o.close()
	buffer := make([]byte, 32<<10)
	for {
		n, err := o.server.Read(buffer)
		if err != nil {
			return
		}
		if o.slow > 0 {
			<-time.After(o.slow)
		}
		o.mu.Lock()
		for o.mute {
			o.open.Wait()
		}
		o.mu.Unlock()
		if _, err := o.client.Write(buffer[:n]); err != nil {
			return
		}
	}
}

// stall stops reading from the client, as a broker does that is short of memory.
func (o *pair) stall() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.stalled = true
}

// freeze lets nothing through in either direction, without an error on either side.
func (o *pair) freeze() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.stalled, o.mute = true, true
}

// resume continues.
func (o *pair) resume() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.stalled, o.mute = false, false
	o.open.Broadcast()
}

// awaitStalled waits until bytes of the client are held up.
func (o *pair) awaitStalled(t *testing.T) {
	t.Helper()
	require.Eventually(t, func() bool {
		o.mu.Lock()
		defer o.mu.Unlock()
		return o.waiting
	}, patience, time.Millisecond)
}

// close ends the connection on both sides.
func (o *pair) close() {
	o.client.Close()
	o.server.Close()
	o.resume()
}

// say inserts a method of the connection into the broker's bytes. The broker must be silent.
func (o *pair) say(method string) {
	frame := append([]byte{1, 0, 0, 0, 0, 0, byte(len(method))}, method...)
	_, _ = o.client.Write(append(frame, 0xce)) // a connection that is gone shows elsewhere
}
