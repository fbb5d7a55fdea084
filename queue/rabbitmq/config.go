package rabbitmq

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/internal/address"
	amqp "github.com/rabbitmq/amqp091-go"
)

// QueueType is how RabbitMQ keeps a queue. The set is closed.
type QueueType string

const (
	// Quorum queues are replicated over the nodes of a cluster, and count deliveries that failed. The empty QueueType means Quorum.
	Quorum QueueType = "quorum"

	// Classic queues live on one node, and only mark a message as redelivered, so that a lost session counts one attempt at most once.
	Classic QueueType = "classic"
)

// Defaults of Config.
const (
	DefaultHeartbeat   = 10 * time.Second
	DefaultDialTimeout = 10 * time.Second
)

// Config is how a Broker connects and what it declares. The zero Config is right for a RabbitMQ of one's own.
type Config struct {
	// Type is the type of the queues that are declared: the work queue, its dead-letter queue and its delay queues. Empty means Quorum.
	Type QueueType

	// Passive says that somebody else owns the queues: the work queue and its dead-letter queue are never declared, only looked up, and
	// missing ones are an error. The delay queues are the driver's own machinery and are declared all the same.
	Passive bool

	// MaxPriority is the highest Message.Priority of the work queue, up to queue.MaxPriority. Zero means that it has no priorities, and a message
	// that has one is refused with queue.ErrUnsupported. A queue keeps what it was declared with. Classic queues have priorities, and quorum
	// queues from RabbitMQ 4.3 on: on older ones Open and Publish say so. Each priority costs the broker something, so take no more than needed.
	MaxPriority int

	// DelayPrefix is what the names of delay queues begin with, followed by the queue's name and the delay. Empty means that they are
	// called "<queue>.delay.<milliseconds>"; "d." makes that "d.<queue>.<milliseconds>". It is for brokers that grant rights by name.
	DelayPrefix string

	// Heartbeat is the interval in which both sides ask for a sign of life, in whole seconds, at least one; a peer that is silent for
	// about twice as long is given up. Zero means DefaultHeartbeat. A heartbeat in the URL has precedence. The connection for publishing has
	// heartbeats of 2 s at most, in any case: by them alone a network that is dead is told from a broker that is in alarm.
	Heartbeat time.Duration

	// DialTimeout bounds how long connecting, logging in and declaring may take altogether, also where the context would allow more.
	// Zero means DefaultDialTimeout.
	DialTimeout time.Duration

	// Name is shown at the broker in the names of connections. Empty means "gentask".
	Name string

	// URLs, if it is set, says where the broker is, instead of the URL given to New. It is asked anew for each connection, so passwords may be
	// rotated, and nodes may come and go: the next connection follows. The URLs are tried in the order of the slice until one of them lets us
	// in, each for its share of the time that is left; to spread consumers over the nodes of a cluster, return them in another order each time.
	// The function is called by up to 16 goroutines at a time, and has to honour its context, which ends with the attempt. An error, a panic and
	// a late answer fail the attempt like a broker that refuses.
	URLs func(ctx context.Context) ([]string, error)

	// TLS is for URLs with the scheme amqps. Nil means the system's root certificates and the URL's host name, or what the URL's
	// parameters (cacertfile, certfile, keyfile, server_name_indication) say. It is copied for each connection.
	TLS *tls.Config
}

// withDefaults fills in what is unsaid.
func (c Config) withDefaults() Config {
	if c.Type == "" {
		c.Type = Quorum
	}
	if c.Heartbeat == 0 {
		c.Heartbeat = DefaultHeartbeat
	}
	if c.DialTimeout == 0 {
		c.DialTimeout = DefaultDialTimeout
	}
	if c.Name == "" {
		c.Name = "gentask"
	}
	return c
}

// check names every field that is not right.
func (c Config) check() error {
	var errs []error
	bad := func(isBad bool, field string, was any, want string) {
		if isBad {
			errs = append(errs, badConfig("Config."+field, was, want))
		}
	}
	bad(c.Type != Quorum && c.Type != Classic, "Type", c.Type, `"quorum" or "classic"`)
	bad(c.MaxPriority < 0 || c.MaxPriority > queue.MaxPriority, "MaxPriority", c.MaxPriority, fmt.Sprintf("0 for none, to %d", queue.MaxPriority))
	bad(c.Heartbeat < time.Second || c.Heartbeat > maxHeartbeat, "Heartbeat", c.Heartbeat,
		"1s to "+maxHeartbeat.String()+", or 0 for the default")
	bad(c.DialTimeout < 0, "DialTimeout", c.DialTimeout, "a positive time, or 0 for the default")
	bad(len(c.Name) > maxName, "Name", fmt.Sprintf("%d bytes", len(c.Name)), fmt.Sprintf("%d bytes at most", maxName))
	bad(len(c.DelayPrefix) > maxName, "DelayPrefix", fmt.Sprintf("%d bytes", len(c.DelayPrefix)), fmt.Sprintf("%d bytes at most", maxName))
	return errors.Join(errs...)
}

const (
	// maxHeartbeat is the most seconds that fit the wire.
	maxHeartbeat = 65535 * time.Second

	// maxName leaves room for the rest of a name, of which the wire takes 255 bytes.
	maxName = 100

	// maxQueueName leaves room for a prefix and for what is added to name the queue's companions.
	maxQueueName = 120
)

// checkURL refuses what is no AMQP URL. The error names the field and does not show url, for its password may be the part that does not parse.
func checkURL(field, url string) (amqp.URI, error) {
	if scheme := address.Scheme(url); scheme != "amqp" && scheme != "amqps" {
		return amqp.URI{}, badConfig(field, "scheme "+fmt.Sprintf("%q", scheme), "amqp://user:password@host:5672/vhost or amqps://")
	}
	uri, err := amqp.ParseURI(url)
	if err != nil {
		return amqp.URI{}, badConfig(field, "one that does not parse",
			"amqp://user:password@host:5672/vhost, with reserved characters percent-encoded")
	}
	return uri, nil
}

// checkName refuses names that the broker would refuse, or cut.
func checkName(name string) error {
	if name == "" {
		return badConfig("queue name", `""`, "a name")
	}
	if len(name) > maxQueueName {
		return badConfig("queue name", fmt.Sprintf("%d bytes", len(name)), fmt.Sprintf("%d bytes at most", maxQueueName))
	}
	if strings.HasPrefix(name, "amq.") {
		return badConfig("queue name", fmt.Sprintf("%q", name), `a name that does not begin with "amq.", which RabbitMQ keeps for itself`)
	}
	return nil
}

// badConfig says which value is not right, what it was, and what would be right.
func badConfig(field string, was any, right string) error {
	return fmt.Errorf("rabbitmq: %w: %s is %v: right would be %s", queue.ErrConfig, field, was, right)
}
