package rabbitmq

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"strings"

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
// which the text names, for what [Config.Passive] refuses, and for a part of the Config that the
// server is too old for. The error wraps [ErrRefused] for a wrong user or password, a missing
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
	var opened *session
	err := patiently(ctx, func() (err error) {
		opened, err = q.openOnce(ctx, opts)
		return err
	})
	if err != nil {
		return nil, err
	}
	return opened, nil
}

// openOnce is Open without another try.
func (q *Queue) openOnce(ctx context.Context, opts queue.Options) (*session, error) {
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
	if err := s.queue.broker.cfg.timeouts(s.link.server); err != nil {
		return err
	}
	err := s.queue.create(s.link)
	if err != nil {
		return err
	}
	if err = s.learn(); err != nil {
		return err
	}
	if s.channel, err = s.link.Channel(); err != nil {
		return err
	}
	s.queue.broker.topology.note(s.queue.name)
	cancels := s.channel.NotifyCancel(make(chan string, 4))
	closes := s.channel.NotifyClose(make(chan *amqp.Error, 1))
	s.link.tap.sink.Store(&sink{take: s.arrive, rest: s.deliver})
	if err = s.consume(); err != nil {
		return err
	}
	s.goroutines.Go(func() { s.watch(cancels, closes) })
	s.goroutines.Go(s.flush)
	s.goroutines.Go(s.guard)
	return nil
}

// learn finds out about a queue of others, and refuses one that would drop messages.
func (s *session) learn() (err error) {
	if !s.queue.broker.cfg.Passive {
		return nil
	}
	if s.found, err = s.queue.look(s.link); err != nil {
		return err
	}
	s.classic = s.found.kind == Classic
	s.tally = s.tally.of(s.found.kind)
	return s.queue.checkFound(s.found)
}

// consumerTag returns the consumer's name at the broker: the program and its host.
func consumerTag(name string, b *Broker) string {
	if name == "" {
		name = b.cfg.Name
	}
	return fmt.Sprintf("%s@%s:%d", name[:min(len(name), maxName)], b.host, os.Getpid())
}
