package rabbitmq

import (
	"errors"
	"fmt"
	"os"

	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/internal/address"
)

// Broker is one RabbitMQ server or cluster, as one user sees it. Its queues share a connection for publishing; each session has one of its
// own. It is safe for concurrent use.
type Broker struct {
	addresses *address.Book
	cfg       Config

	host      string
	topology  *topology
	publisher *publisher
	gauge     *gauge
}

// New returns a Broker for an AMQP URL, such as "amqp://user:password@host:5672/vhost", or amqps for TLS.
// At most one Config may be given; none is the zero Config. With Config.URLs, url is empty. New only
// checks what it is given, and returns an error that wraps queue.ErrConfig and names everything that is
// not right. A connection is made when the first session is opened or the first message is published, so
// that a broker that is down is no error here.
func New(url string, cfg ...Config) (*Broker, error) {
	if len(cfg) > 1 {
		return nil, badConfig("cfg", fmt.Sprintf("%d of them", len(cfg)), "one Config or none")
	}
	b := &Broker{}
	if len(cfg) == 1 {
		b.cfg = cfg[0]
	}
	b.cfg = b.cfg.withDefaults()
	if err := errors.Join(b.find(url), b.cfg.check()); err != nil {
		return nil, err
	}
	b.host = hostname()
	b.topology = newTopology()
	b.publisher = newPublisher(b)
	b.gauge = newGauge(b)
	return b, nil
}

// find sets where the broker is.
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

// hostname is for names that a human reads.
func hostname() string {
	host, err := os.Hostname()
	if err != nil {
		return "unknown host"
	}
	return host[:min(len(host), maxName)]
}

// Queue returns the queue called name: of 1 to 120 bytes, and not beginning with "amq.". A name that is not right is an error of whatever
// is then done with the queue. Nothing is declared before the first session or message.
func (b *Broker) Queue(name string) *Queue { return &Queue{broker: b, name: name} }

// Blocked reports whether the broker has stopped to take messages from this Broker, because it is short of memory or disk, and the reason
// that it gives. Publish, and the settlements that publish, wait meanwhile for as long as their contexts allow.
func (b *Broker) Blocked() (reason string, blocked bool) {
	if why := b.publisher.blocked.Load(); why != nil {
		return *why, true
	}
	return "", false
}

// Close ends the connections for publishing and for questions. Sessions end by their own Close; close them first, for a settlement that
// publishes fails from now on, and so does Publish: with queue.ErrClosed. A second Close does nothing and returns nil.
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
