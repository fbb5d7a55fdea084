package nats

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/gentask/gentask/queue/internal/address"
)

// Times of a connection. They bound the time for which a dead network can seem alive.
const (
	dialTimeout  = 5 * time.Second         // one server of the list
	startTimeout = 5 * time.Second         // all requests of an Open
	pingInterval = 1500 * time.Millisecond // a dead network is noticed within three of them
	maxPings     = 2
	writeTimeout = 5 * time.Second       // one write that the network does not take
	stuck        = 50 * time.Millisecond // a write that continues after its context has ended
)

// unbounded is the client's limit of unconfirmed messages, above which it stalls. Each publication
// has its own limit.
const unbounded = 1 << 30

// link is one connection, which never reconnects.
type link struct {
	nc     *natsgo.Conn
	js     jetstream.JetStream
	api    string // the prefix of requests to JetStream
	socket *socket
	lost   chan struct{} // closed when the connection is over, for any reason
	duck   chan struct{} // closed when the server is a lame duck: it shuts down soon
	strict atomic.Bool   // reports whether a missing right ends it: for a session, after its start

	denials  denials  // of copies
	refusals refusals // of requests of a store or a bus

	mu    sync.Mutex
	cause error // the reason why the driver itself cut it; nil if it did not
}

// connect returns a new link. It honours ctx even where the client does not, by closing the socket
// beneath it.
func (b *Broker) connect(ctx context.Context, name string) (*link, error) {
	at, err := b.where(ctx)
	if err != nil {
		return nil, err
	}
	l := &link{socket: &socket{ctx: ctx, server: b.server}, lost: make(chan struct{}), duck: make(chan struct{})}
	l.api = b.config.apiPrefix()
	l.denials.init(l.api)
	stop := context.AfterFunc(ctx, l.socket.cut)
	nc, err := natsgo.Connect(at, b.options(l, name)...)
	if !stop() && err == nil {
		nc.Close()
		err = ctx.Err()
	}
	if errors.Is(err, natsgo.ErrNoServers) && l.socket.refused != nil {
		err = fmt.Errorf("%w: %w", err, l.socket.refused) // the client forgets it
	}
	if err != nil {
		return nil, fmt.Errorf("nats: connect to %s: %w", address.Redact(at),
			address.ScrubError(within(ctx, explain(err))))
	}
	l.nc = nc
	if l.js, err = b.config.jetStream(nc); err != nil {
		l.close()
		return nil, fmt.Errorf("nats: %w", err)
	}
	return l, nil
}

// where returns the list of servers.
func (b *Broker) where(ctx context.Context) (string, error) {
	urls, err := b.addresses.URLs(ctx)
	if err != nil {
		return "", fmt.Errorf("nats: %w", err)
	}
	at := strings.Join(urls, ",")
	if b.config.URLs == nil {
		return at, nil
	}
	return at, checkURL("a result of Config.URLs", at)
}

// options returns the user's options, followed by those of a session's connection, which must not
// reconnect.
func (b *Broker) options(l *link, name string) []natsgo.Option {
	own := []natsgo.Option{
		natsgo.Name(name),
		natsgo.NoReconnect(),
		natsgo.Timeout(dialTimeout),
		natsgo.PingInterval(pingInterval),
		natsgo.MaxPingsOutstanding(maxPings),
		natsgo.FlusherTimeout(writeTimeout),
		natsgo.ClosedHandler(func(*natsgo.Conn) { close(l.lost) }),
		natsgo.LameDuckModeHandler(func(*natsgo.Conn) { l.limp() }),
		natsgo.ErrorHandler(func(_ *natsgo.Conn, _ *natsgo.Subscription, err error) { l.complains(err) }),
	}
	if b.server != nil {
		own = append(own, natsgo.InProcessServer(l.socket))
	} else {
		own = append(own, natsgo.SetCustomDialer(l.socket), natsgo.SkipHostLookup())
	}
	return append(append([]natsgo.Option{}, b.config.Options...), own...)
}

// write runs a function that writes. It cuts the connection if the write has not ended when ctx is
// over.
func (l *link) write(ctx context.Context, f func() error) error {
	if ctx.Done() == nil {
		return f()
	}
	written := make(chan struct{})
	defer close(written)
	defer context.AfterFunc(ctx, func() {
		select {
		case <-written: // ctx ended during a write that succeeded
		case <-time.After(stuck):
			l.fail(context.Cause(ctx))
		}
	})()
	return f()
}

// say writes one message without headers, and with the subject for the reply, if there is one. The
// client has no single call for both.
func (l *link) say(subject, reply string, data []byte) error {
	if reply == "" {
		return l.nc.Publish(subject, data)
	}
	return l.nc.PublishRequest(subject, reply, data)
}

// fail cuts the connection. The first cause stays.
func (l *link) fail(cause error) {
	l.mu.Lock()
	if l.cause == nil && !l.over() {
		l.cause = cause
	}
	l.mu.Unlock()
	l.socket.cut()
}

// why returns the reason why the connection is over.
func (l *link) why() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.cause != nil {
		return l.cause
	}
	err := l.nc.LastError()
	if err == nil {
		err = natsgo.ErrConnectionClosed
	}
	return l.blame(err)
}

// over reports whether the connection is lost or closed.
func (l *link) over() bool {
	select {
	case <-l.lost:
		return true
	default:
		return false
	}
}

func (l *link) lostIfOver() error {
	if l.over() {
		return lost(l.why())
	}
	return nil
}

// answer adds to the error of a request the error that the server sent meanwhile, because the
// server reports missing permissions asynchronously, and not in an answer.
func (l *link) answer(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if l.forbidden() {
		err = fmt.Errorf("%w: %w: %w", ErrRefused, l.nc.LastError(), err)
	}
	return within(ctx, explain(l.blame(err)))
}

// forbidden reports whether the server has refused the last request because of missing rights, so
// that no answer will come.
func (l *link) forbidden() bool { return l.denials.lacksRight(l.nc.LastError()) }

// complains handles an asynchronous error of the server. The connection keeps it, and a caller that
// waits for an answer then returns it. Nothing goes to the standard output. A session whose rights
// are withdrawn ends, because it would receive nothing more.
func (l *link) complains(err error) {
	if errors.Is(err, natsgo.ErrPermissionViolation) {
		l.refusals.note(err)
	}
	if errors.Is(err, natsgo.ErrPermissionViolation) && !l.denials.note(err) && l.strict.Load() {
		l.fail(fmt.Errorf("%w: %w", ErrRefused, err))
	}
}

// close flushes earlier writes, closes, and waits until the client has ended.
func (l *link) close() {
	l.nc.Close()
	<-l.lost
}

// socket dials for the client, and keeps the connection.
type socket struct {
	ctx    context.Context // of connect, because the client's dialers take none
	server InProcessServer

	mu      sync.Mutex
	conn    net.Conn
	refused error // of the last attempt to dial
}

// Dial implements natsgo.CustomDialer.
func (s *socket) Dial(network, address string) (net.Conn, error) {
	d := net.Dialer{Timeout: dialTimeout}
	return s.keep(d.DialContext(s.ctx, network, address))
}

// InProcessConn implements natsgo.InProcessConnProvider.
func (s *socket) InProcessConn() (net.Conn, error) {
	return s.keep(s.server.InProcessConn())
}

func (s *socket) keep(conn net.Conn, err error) (net.Conn, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.refused = err; err != nil {
		return nil, err
	}
	if err := s.ctx.Err(); err != nil {
		_ = conn.Close()
		return nil, err
	}
	s.conn = conn
	return conn, nil
}

// cut closes the socket, so that reads and writes return an error.
func (s *socket) cut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conn != nil {
		_ = s.conn.Close()
	}
}
