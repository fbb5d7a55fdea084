package rabbitmq

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/internal/address"
	amqp "github.com/rabbitmq/amqp091-go"
)

// QueueType is RabbitMQ's type of a queue. The set is closed.
type QueueType string

const (
	// Quorum queues are replicated over the nodes of a cluster, and count deliveries that failed.
	// The empty QueueType means Quorum.
	Quorum QueueType = "quorum"

	// Classic queues live on one node, and only mark a message as redelivered, so that lost
	// sessions count as one attempt at most.
	Classic QueueType = "classic"
)

// Defaults of Config.
const (
	defaultHeartbeat   = 10 * time.Second
	defaultDialTimeout = 10 * time.Second
)

// Config configures the connections and queues of a [Broker]. The zero Config is valid for a
// RabbitMQ that is not shared with others.
type Config struct {
	// Type is the type of the queues that are declared: the work queue and its dead-letter queue.
	// Delay queues are always quorum queues. Empty means [Quorum].
	Type QueueType

	// Passive means that the work queue and its dead-letter queue are declared by others. The
	// driver only checks them. A missing one is an error, and so is a stream, a transient queue,
	// and one whose arguments make the broker drop messages, as far as the user may find them out.
	// It still declares the delay queues, because only it uses them.
	Passive bool

	// MaxPriority is the highest [queue.Message.Priority] of the work queue, up to
	// [queue.MaxPriority]. Zero means that it has no priorities, and a message with one is refused
	// with [queue.ErrUnsupported].
	//
	// A classic queue keeps the value that it was declared with, and each priority costs the broker
	// resources, so choose no more than needed. Quorum queues have priorities from RabbitMQ 4.3 on,
	// without a declaration; with an older server Open and Publish return an error that wraps
	// [queue.ErrConfig] and [queue.ErrUnsupported].
	//
	// At a quorum queue, priority 1 is the broker's 5, because a message without a priority has 4
	// there. Messages of other publishers with 4 or less have Priority 0. With Passive, set Type,
	// which is one of the two.
	MaxPriority int

	// ConsumerTimeout is the time for which a delivery may be held before the broker takes it back,
	// which ends the session and costs an attempt. It protects the queue from a consumer that hangs
	// while its connection lives. Zero means the server's (consumer_timeout, 30 minutes unless it
	// has another setting), or the policy's. It must be longer than the longest job, and than a
	// delivery waits in the prefetch.
	//
	// With Passive, it costs no attempt. Only quorum queues from RabbitMQ 4.3 on take it from the
	// consumer. With another queue it is refused: [New] and Open return an error that wraps
	// [queue.ErrConfig]. From 1 s to 40 days.
	ConsumerTimeout time.Duration

	// ConsumerPriority is the priority of the consumers of this Broker. The server delivers to
	// those with a lower one only what the others have no free slot for. Zero is that of consumers
	// which say nothing, and it may be negative.
	ConsumerPriority int

	// SingleActiveConsumer declares the work queue so that the server delivers to one consumer at a
	// time, the first with the highest ConsumerPriority. The others wait until it is gone, on
	// standby: see [queue.Standby]. A subscription of the active one that has gone silent is found
	// by heartbeats only. A queue keeps the value that it was declared with. With Passive the queue
	// is declared by others, and the field is refused here.
	SingleActiveConsumer bool

	// DelayPrefix is the prefix of the names of delay queues, followed by the queue's name and the
	// delay. For example "d." leads to "d.<queue>.<milliseconds>ms". Empty means
	// "<queue>.delay.<milliseconds>ms". It is for brokers that grant rights by name.
	DelayPrefix string

	// Heartbeat is the interval of heartbeats in both directions, in whole seconds, at least one. A
	// connection whose peer is silent for about twice as long ends. Zero means 10 s. A heartbeat in
	// the URL takes precedence. The connection for publishing always has heartbeats of 2 s at most,
	// because only they distinguish a dead network from a broker in alarm.
	Heartbeat time.Duration

	// DialTimeout is the most time for connecting, logging in and declaring together, even if the
	// context allows more. Zero means 10 s.
	DialTimeout time.Duration

	// Name is shown at the broker in the names of connections. Empty means "gentask".
	Name string

	// URLs, if not nil, returns the broker's URLs, instead of the URL given to [New]. It is called
	// for each connection, so passwords may be rotated, and nodes may be added and removed. The
	// URLs are tried in the order of the slice until one accepts, each for its share of the
	// remaining time. To distribute consumers over the nodes of a cluster, return the URLs in
	// another order each time.
	//
	// URLs may be called by up to 16 goroutines at a time. It must honour its context, which ends
	// with the attempt. An error, a panic or a late return fails the attempt like a broker that
	// refuses.
	URLs func(ctx context.Context) ([]string, error)

	// TLS is for URLs with the scheme amqps. It is copied for each connection. Nil means the URL's
	// parameters (cacertfile, certfile, keyfile, server_name_indication), and by default the
	// system's root certificates and the URL's host name.
	TLS *tls.Config
}

// withDefaults returns c with its defaults filled in.
func (c Config) withDefaults() Config {
	if c.Type == "" {
		c.Type = Quorum
	}
	if c.Heartbeat == 0 {
		c.Heartbeat = defaultHeartbeat
	}
	if c.DialTimeout == 0 {
		c.DialTimeout = defaultDialTimeout
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
	bad(c.MaxPriority < 0 || c.MaxPriority > queue.MaxPriority, "MaxPriority", c.MaxPriority,
		fmt.Sprintf("0 for none, to %d", queue.MaxPriority))
	bad(c.ConsumerTimeout != 0 && c.Type == Classic, "ConsumerTimeout", c.ConsumerTimeout,
		"0, or Config.Type Quorum: classic queues have none")
	bad(c.ConsumerTimeout != 0 && (c.ConsumerTimeout < time.Second || c.ConsumerTimeout > maxRung), "ConsumerTimeout",
		c.ConsumerTimeout, "1s to "+maxRung.String()+", or 0 for the server's")
	bad(c.ConsumerPriority < math.MinInt32 || c.ConsumerPriority > math.MaxInt32, "ConsumerPriority",
		c.ConsumerPriority, "a number of 32 bits")
	bad(c.SingleActiveConsumer && c.Passive, "SingleActiveConsumer", "true with Config.Passive",
		"false: the queue is declared by others")
	bad(c.Heartbeat < time.Second || c.Heartbeat > maxHeartbeat, "Heartbeat", c.Heartbeat,
		"1s to "+maxHeartbeat.String()+", or 0 for the default")
	bad(c.DialTimeout < 0, "DialTimeout", c.DialTimeout, "a positive time, or 0 for the default")
	bad(len(c.Name) > maxName, "Name", fmt.Sprintf("%d bytes", len(c.Name)), fmt.Sprintf("%d bytes at most", maxName))
	bad(len(c.DelayPrefix) > maxName, "DelayPrefix", fmt.Sprintf("%d bytes", len(c.DelayPrefix)),
		fmt.Sprintf("%d bytes at most", maxName))
	return errors.Join(errs...)
}

const (
	// maxHeartbeat is the limit of the protocol.
	maxHeartbeat = 65535 * time.Second

	// maxName leaves room for the rest of a name, which the protocol limits to 255 bytes.
	maxName = 100

	// maxQueueName leaves room for the prefix and the suffix of the names of related queues.
	maxQueueName = 120
)

// checkURL refuses a URL that is not valid for AMQP. The error names the field and does not show
// url, because its password may be the part that can't be parsed.
func checkURL(field, url string) (amqp.URI, error) {
	if scheme := address.Scheme(url); scheme != "amqp" && scheme != "amqps" {
		return amqp.URI{}, badConfig(field, "scheme "+fmt.Sprintf("%q", scheme),
			"amqp://user:password@host:5672/vhost or amqps://")
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
		return badConfig("queue name", fmt.Sprintf("%d bytes", len(name)),
			fmt.Sprintf("%d bytes at most", maxQueueName))
	}
	if strings.HasPrefix(name, "amq.") {
		return badConfig("queue name", fmt.Sprintf("%q", name),
			`a name that does not begin with "amq.", which RabbitMQ keeps for itself`)
	}
	return nil
}

// badConfig returns an error with the field, its value, and the valid values.
func badConfig(field string, was any, right string) error {
	return fmt.Errorf("rabbitmq: %w: %s is %v: right would be %s", queue.ErrConfig, field, was, right)
}
