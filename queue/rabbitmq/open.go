package rabbitmq

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/gentask/gentask/queue"
	amqp "github.com/rabbitmq/amqp091-go"
)

// maxPrefetch is the limit of the protocol; more would wrap around.
const maxPrefetch = 65535

// Open connects, declares or checks the queue and its dead-letter queue, and starts a session. It
// returns within ctx and [Config.DialTimeout], even if the network is dead.
//
// The error wraps [queue.ErrConfig] for a prefetch that is not in 1 to 65535, an invalid name, and
// a missing queue in passive mode. It also wraps it for a queue that exists with other properties,
// which the text names, and for a part of the Config that
// the server is too old for. The error wraps [ErrRefused] for a wrong user or password, a missing
// virtual host and missing rights.
func (q *Queue) Open(ctx context.Context, opts queue.Options) (queue.Session, error) {
	if err := checkName(q.name); err != nil {
		return nil, err
	}
	if opts.Prefetch < 1 || opts.Prefetch > maxPrefetch {
		return nil, badConfig("Options.Prefetch", opts.Prefetch, "1 to 65535")
	}
	ctx, cancel := context.WithTimeout(ctx, q.broker.cfg.DialTimeout)
	defer cancel()
	l, err := q.broker.dial(ctx, strings.TrimSpace("consumer "+opts.Name), 0)
	if err != nil {
		return nil, err
	}
	s := newSession(q, l, opts)
	stop := context.AfterFunc(ctx, l.cut)
	defer stop()
	if err := s.start(); err != nil {
		l.cut()
		return nil, failed(ctx, l.at, fmt.Sprintf("consume queue %q", q.name), err)
	}
	return s, nil
}

// newSession returns a session that is not started.
func newSession(q *Queue, l *link, opts queue.Options) *session {
	cfg := q.broker.cfg
	return &session{
		queue:    q,
		link:     l,
		prefetch: opts.Prefetch,
		title:    consumerTag(opts.Name, q.broker),
		nonce:    rand.Text()[:8],
		classic:  !cfg.Passive && cfg.Type == Classic,
		tally:    tallyOf(cfg, l.server),
		scale:    q.broker.scale(l.server),
		arrival:  make(chan struct{}, 1),
		turn:     make(chan struct{}, 1),
		dirty:    make(chan struct{}, 1),
		full:     make(chan struct{}, 1),
		lost:     make(chan struct{}),
		closed:   make(chan struct{}),
		flushed:  make(chan struct{}),
	}
}

// start makes the broker's part of the session. The prefetch comes first, because it applies only
// to later consumers.
func (s *session) start() error {
	var err error
	server := s.link.server
	if err = s.queue.broker.cfg.timeouts(server); err != nil {
		return err
	}
	if s.channel, err = s.link.Channel(); err != nil {
		return err
	}
	if err = s.queue.create(server, s.channel); err != nil {
		return err
	}
	s.queue.broker.topology.note(s.queue.name, time.Now())
	if err = s.channel.Qos(s.prefetch, 0, false); err != nil {
		return err
	}
	cancels := s.channel.NotifyCancel(make(chan string, 4))
	closes := s.channel.NotifyClose(make(chan *amqp.Error, 1))
	s.link.tap.sink.Store(&sink{take: s.arrive, rest: s.deliver})
	if err = s.consume(); err != nil {
		return err
	}
	s.goroutines.Go(func() { s.watch(cancels, closes) })
	s.goroutines.Go(s.flush)
	return nil
}

// consumerTag returns the consumer's name at the broker: the program and its host.
func consumerTag(name string, b *Broker) string {
	if name == "" {
		name = b.cfg.Name
	}
	return fmt.Sprintf("%s@%s:%d", name[:min(len(name), maxName)], b.host, os.Getpid())
}
