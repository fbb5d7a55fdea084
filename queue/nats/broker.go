package nats

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"

	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/internal/address"
)

// Broker is a JetStream server, or a cluster of them. It must be made by [New] or [NewInProcess].
// It is safe for concurrent use.
type Broker struct {
	addresses *address.Book
	server    InProcessServer // nil: dial
	config    Config
	several   bool // the URL names several servers

	turn   chan struct{} // capacity 1: holds an element while the publishing connection is made
	closed chan struct{}
	once   sync.Once

	mu    sync.Mutex
	pub   *link           // for publishing and for requests; nil until it is needed
	known map[string]bool // queues that were found by way of pub
	dead  map[string]bool // dead-letter queues that a session has found valid
}

// InProcessServer is a server in this process, such as *server.Server of nats-server. See [Storage]
// for an optional capability.
type InProcessServer interface {
	// InProcessConn returns a new connection to the server.
	InProcessConn() (net.Conn, error)
}

// New returns the broker at url: one server, or several of a cluster, comma-separated, of scheme
// nats, tls, ws or wss; empty with Config.URLs. It only checks its arguments, with an error that
// wraps queue.ErrConfig and names all that can't be right. Connections are made by Open and
// Publish, so a server that is down is no error here.
func New(url string, cfg Config) (*Broker, error) {
	if cfg.URLs == nil {
		b, err := newBroker(address.Fixed(url), nil, cfg, checkURL("url", url))
		if err == nil {
			b.several = strings.Contains(url, ",")
		}
		return b, err
	}
	var err error
	if url != "" {
		err = fmt.Errorf("nats: %w: url is set, and Config.URLs is too, must be one of the two", queue.ErrConfig)
	}
	return newBroker(address.Asked(cfg.URLs), nil, cfg, err)
}

// NewInProcess returns the broker that is server, to which it connects without a network. Closing
// the broker leaves server running. It returns an error that wraps queue.ErrConfig and names
// everything that can't be right.
func NewInProcess(server InProcessServer, cfg Config) (*Broker, error) {
	var err error
	if server == nil {
		err = fmt.Errorf("nats: %w: server is nil, must be a running server", queue.ErrConfig)
	}
	return newBroker(address.Fixed("nats://in-process"), server, cfg, err)
}

// newBroker checks cfg too. err is about the other arguments.
func newBroker(addresses *address.Book, server InProcessServer, cfg Config, err error) (*Broker, error) {
	if err := errors.Join(err, cfg.Check()); err != nil {
		return nil, err
	}
	return &Broker{
		addresses: addresses, server: server, config: cfg,
		turn: make(chan struct{}, 1), closed: make(chan struct{}), dead: map[string]bool{},
	}, nil
}

// Queue returns the queue of that name. The name is validated when the queue is used: it must not
// contain white space nor any of . * > / \.
func (b *Broker) Queue(name string) *Queue {
	return &Queue{broker: b, name: name}
}

// Close closes the connection for publishing. Every later call returns [queue.ErrClosed]. Open
// sessions have their own connections, and continue until they are closed. A second Close does
// nothing.
func (b *Broker) Close() error {
	b.once.Do(func() { close(b.closed) })
	b.turn <- struct{}{}
	defer func() { <-b.turn }()
	b.mu.Lock()
	l := b.pub
	b.pub = nil
	b.mu.Unlock()
	if l != nil {
		l.close()
	}
	return nil
}

// publisher returns the connection for publishing. It makes a new one if the last was lost, and
// returns the error of a context that has ended.
func (b *Broker) publisher(ctx context.Context) (*link, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if l := b.current(); l != nil {
		return l, nil
	}
	select {
	case b.turn <- struct{}{}:
		defer func() { <-b.turn }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if b.isClosed() {
		return nil, fmt.Errorf("nats: broker: %w", queue.ErrClosed)
	}
	if l := b.current(); l != nil {
		return l, nil // another call made it meanwhile
	}
	ctx, stop := b.untilClosed(ctx)
	defer stop()
	l, err := b.connect(ctx, b.config.name("publisher"))
	if err != nil {
		return nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.pub, b.known = l, map[string]bool{}
	return l, nil
}

func (b *Broker) current() *link {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.pub == nil || b.pub.over() {
		return nil
	}
	return b.pub
}

func (b *Broker) isClosed() bool {
	select {
	case <-b.closed:
		return true
	default:
		return false
	}
}

// untilClosed returns a context that also ends when the broker is closed, so that Close never waits
// until a connection is made.
func (b *Broker) untilClosed(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		select {
		case <-b.closed:
			cancel()
		case <-ctx.Done():
		}
	}()
	return ctx, func() {
		cancel()
		<-done
	}
}

// hasFound reports whether the queue was found by way of l.
func (b *Broker) hasFound(l *link, name string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.pub == l && b.known[name]
}

func (b *Broker) remember(l *link, name string, exists bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.pub == l {
		b.known[name] = exists
	}
}

// seen reports whether a dead-letter queue was found valid before.
func (b *Broker) seen(name string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.dead[name]
}

func (b *Broker) see(name string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.dead[name] = true
}
