package rabbitmq

import (
	"errors"
	"fmt"
	"os"

	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/internal/address"
)

// Broker is one RabbitMQ server or cluster, with the credentials of one user. It must be made by
// [New]. Its queues share a connection for publishing; each session has its own. It is safe for
// concurrent use.
type Broker struct {
	addresses *address.Book
	cfg       Config
	quorum    bool // the queues are known to be quorum queues

	host      string
	topology  *topology
	publisher *publisher
	gauge     *gauge
	waiting   *waiting
}

// New returns a Broker for an AMQP URL, such as "amqp://user:password@host:5672/vhost", or amqps
// for TLS. At most one Config may be given; none is the zero Config. With Config.URLs, url is
// empty. New only checks what it is given, and returns an error that wraps queue.ErrConfig and
// names everything that is not right. A connection is made when the first session is opened or the
// first message is published, so that a broker that is down is no error here.
func New(url string, cfg ...Config) (*Broker, error) {
	if len(cfg) > 1 {
		return nil, badConfig("cfg", fmt.Sprintf("%d of them", len(cfg)), "one Config or none")
	}
	b := &Broker{}
	if len(cfg) == 1 {
		b.cfg = cfg[0]
	}
	// A Type that is given with Passive is that of the queue that others declare.
	b.quorum = b.cfg.Type == Quorum || b.cfg.Type == "" && !b.cfg.Passive
	b.cfg = b.cfg.withDefaults()
	if err := errors.Join(b.find(url), b.cfg.check()); err != nil {
		return nil, err
	}
	b.host = hostname()
	b.topology = newTopology()
	b.publisher = newPublisher(b)
	b.gauge = newGauge(b)
	b.waiting = newWaiting()
	return b, nil
}

// find sets the addresses of the broker.
func (b *Broker) find(url string) error {
	if b.cfg.URLs == nil {
		b.addresses = address.Fixed(url)
		_, err := checkURL("url", url)
		return err
	}
	b.addresses = address.Asked(b.cfg.URLs)
	if url != "" {
		return badConfig("url", "set, and Config.URLs is too", "one of the two")
	}
	return nil
}

// hostname returns the host's name, for names that are shown at the broker.
func hostname() string {
	host, err := os.Hostname()
	if err != nil {
		return "unknown host"
	}
	return host[:min(len(host), maxName)]
}

// Queue returns the queue called name, which must have 1 to 120 bytes, and must not begin with
// "amq.". The operations of a queue with an invalid name fail. Nothing is declared before the first
// session or message.
func (b *Broker) Queue(name string) *Queue { return &Queue{broker: b, name: name} }

// Blocked reports whether the broker accepts no messages from this Broker, because it is short of
// memory or disk, and the reason that it gives. Meanwhile Publish waits until its context ends.
// Settlements that need a copy fail with [ErrBlocked].
func (b *Broker) Blocked() (reason string, blocked bool) {
	if why := b.publisher.blocked.Load(); why != nil {
		return *why, true
	}
	return "", false
}

// Close closes the connections for publishing and for requests. A second Close does nothing and
// returns nil. Sessions have their own Close, which should be called first: from now on Publish,
// and settlements that publish, fail with [queue.ErrClosed].
func (b *Broker) Close() error {
	b.publisher.close()
	b.gauge.close()
	return nil
}

var (
	_ queue.Source          = (*Queue)(nil)
	_ queue.Named           = (*Queue)(nil)
	_ queue.BacklogReporter = (*Queue)(nil)
	_ queue.Inspector       = (*Queue)(nil)
	_ queue.ResultPublisher = (*Queue)(nil)
)
