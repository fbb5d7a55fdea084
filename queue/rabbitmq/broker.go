package rabbitmq

import (
	"fmt"
	"net"
	"os"
	"strconv"

	"github.com/gentask/gentask/queue"
)

// Broker is one RabbitMQ server or cluster, as one user sees it. Its queues share a connection for publishing; each session has one of its
// own. It is safe for concurrent use.
type Broker struct {
	url string // with the password
	at  string // without
	cfg Config

	host      string
	topology  *topology
	publisher *publisher
	gauge     *gauge
}

// New returns a Broker for an AMQP URL, such as "amqp://user:password@host:5672/vhost", or amqps for TLS. At most one Config may be given;
// none is the zero Config. New only checks what it is given, and returns an error that wraps queue.ErrConfig when that is not right: a
// connection is made when the first session is opened or the first message is published, so that a broker that is down is no error here.
func New(url string, cfg ...Config) (*Broker, error) {
	uri, err := checkURL(url)
	if err != nil {
		return nil, err
	}
	if len(cfg) > 1 {
		return nil, badConfig("cfg", fmt.Sprintf("%d of them", len(cfg)), "one Config or none")
	}
	b := &Broker{url: url}
	if len(cfg) == 1 {
		b.cfg = cfg[0]
	}
	b.cfg = b.cfg.withDefaults()
	if err := b.cfg.check(); err != nil {
		return nil, err
	}
	b.at = fmt.Sprintf("%s://%s@%s, vhost %q", uri.Scheme, uri.Username, net.JoinHostPort(uri.Host, strconv.Itoa(uri.Port)), uri.Vhost)
	b.host = hostname()
	b.topology = newTopology()
	b.publisher = newPublisher(b)
	b.gauge = newGauge(b)
	return b, nil
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
	_ queue.Source    = (*Queue)(nil)
	_ queue.Gauge     = (*Queue)(nil)
	_ queue.Publisher = (*Queue)(nil)
)
