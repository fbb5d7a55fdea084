package nats

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	natsgo "github.com/nats-io/nats.go"

	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/internal/address"
)

// Config configures a [Broker]. The zero value is valid for a single server.
type Config struct {
	// Lease is the time after which the server delivers a message again, unless its session renews
	// the lease, which it does several times within that time. The lease is a property of the queue
	// at the server, the same for all nodes. Zero means the lease of an existing queue, and 5 s for
	// a new one. Otherwise it must be at least 500 ms; an existing queue with another lease is
	// refused.
	Lease time.Duration

	// DoubleAck makes Settle wait until the server has applied each settlement, and not only read
	// it.
	DoubleAck bool

	// Replicas is the number of servers of a cluster that keep each message, 1 to 5. Zero means the
	// number of an existing queue, and 1 for a new one.
	Replicas int

	// Duplicates is the time for which the server remembers [queue.Message.ID] and
	// [queue.Message.UniqueKey]. A message that is published again within it is confirmed, and not
	// stored again, so that a publish without a confirm can be repeated.
	//
	// Duplicates is a property of the queue at the server. Zero means that of an existing queue,
	// and 2 minutes for a new one; otherwise it must be at least 100 ms. With -1 every publish
	// stores a message, and one with a UniqueKey is refused with [queue.ErrUnsupported].
	Duplicates time.Duration

	// URLs, if not nil, returns the URLs of the servers, instead of the URL given to [New]. It is
	// called for each connection, so passwords and tokens may be rotated, and servers may be added
	// and removed. The client tries the URLs in random order, unless natsgo.DontRandomize is among
	// the Options.
	//
	// URLs may be called by up to 16 goroutines at a time. It must honour its context, which ends
	// with the attempt. An error, a panic or a late return fails the attempt like a server that
	// refuses.
	URLs func(ctx context.Context) ([]string, error)

	// Domain is the domain of the JetStream to use, if the servers of the URL are leaf nodes of it.
	// Empty means the servers' own JetStream.
	Domain string

	// APIPrefix is the prefix of requests to JetStream, instead of "$JS.API", if the account
	// imports that from another account under another subject, such as "JS.hub.API". The account
	// also needs "$JS.ACK.>" of the other, and the subjects of the queue to publish to it. At most
	// one of Domain and APIPrefix may be set.
	APIPrefix string

	// MaxBytes is the most bytes of a new stream. An account may require it of each. A stream that
	// is full refuses messages, and loses none. The queue, its dead letters and its unique keys are
	// three streams, and each may get so large. Zero means unlimited. Existing streams keep theirs.
	MaxBytes int64

	// Name is shown at the server as the name of the connections. Empty means "gentask".
	Name string

	// Options are passed on to the NATS client, for credentials, TLS and others. The driver sets
	// those for reconnecting and its handlers itself.
	Options []natsgo.Option
}

// Defaults and bounds of Config.
const (
	defaultLease = 5 * time.Second
	minLease     = 500 * time.Millisecond
	maxReplicas  = 5
	defaultName  = "gentask"

	minDuplicates   = 100 * time.Millisecond
	neverDuplicates = -1
)

// Check returns an error that wraps queue.ErrConfig and names every field that can't be right. New
// calls it.
func (c Config) Check() error {
	var errs []error
	if c.Lease != 0 && c.Lease < minLease {
		errs = append(errs, fmt.Errorf("nats: %w: Config.Lease is %v, must be zero (what the queue has) or at least %v",
			queue.ErrConfig, c.Lease, minLease))
	}
	if c.Replicas < 0 || c.Replicas > maxReplicas {
		errs = append(errs, fmt.Errorf("nats: %w: Config.Replicas is %d, must be zero (what the queue has) or 1 to %d",
			queue.ErrConfig, c.Replicas, maxReplicas))
	}
	if c.Duplicates != 0 && c.Duplicates != neverDuplicates && c.Duplicates < minDuplicates {
		errs = append(errs, fmt.Errorf(
			"nats: %w: Config.Duplicates is %v, must be zero (what the queue has), -1 (never) or at least %v",
			queue.ErrConfig, c.Duplicates, minDuplicates))
	}
	return errors.Join(append(errs, c.checkPlace()...)...)
}

// checkPlace checks the fields about the place of the streams.
func (c Config) checkPlace() []error {
	var errs []error
	if c.Domain != "" && c.APIPrefix != "" {
		errs = append(errs, fmt.Errorf(
			"nats: %w: Config.Domain is %q, and Config.APIPrefix is %q, must be one of the two",
			queue.ErrConfig, c.Domain, c.APIPrefix))
	}
	if strings.ContainsAny(c.Domain, ".*> \t\r\n") {
		errs = append(errs, fmt.Errorf("nats: %w: Config.Domain is %q, must be one word without . * and >",
			queue.ErrConfig, c.Domain))
	}
	for word := range strings.SplitSeq(c.APIPrefix, ".") {
		if c.APIPrefix != "" && (word == "" || strings.ContainsAny(word, "*> \t\r\n")) {
			errs = append(errs, fmt.Errorf("nats: %w: Config.APIPrefix is %q, must be words with dots between, like %q",
				queue.ErrConfig, c.APIPrefix, "JS.hub.API"))
			break
		}
	}
	if c.MaxBytes < 0 {
		errs = append(errs, fmt.Errorf("nats: %w: Config.MaxBytes is %d, must be zero (unlimited) or a size",
			queue.ErrConfig, c.MaxBytes))
	}
	return errs
}

// dedup returns the name under which the server stores a message once. It is empty if each publish
// counts. A dead letter that is published again differs from the message that died.
func (c Config) dedup(m queue.Message) string {
	if c.Duplicates == neverDuplicates {
		return ""
	}
	if m.UniqueKey != "" {
		return "unique:" + m.UniqueKey
	}
	if died := m.Headers[queue.HeaderDeadAt]; died != "" {
		return m.ID + " after " + died
	}
	return m.ID
}

// name returns the name of a connection, including the session's name.
func (c Config) name(session string) string {
	name := c.Name
	if name == "" {
		name = defaultName
	}
	if session != "" {
		name += " " + session
	}
	return name
}

// checkURL checks a comma-separated list of server URLs, which came from field, and names each that
// is not right. Its errors show none of their passwords, which may be what does not parse.
func checkURL(field, list string) error {
	var errs []error
	for text := range strings.SplitSeq(list, ",") {
		errs = append(errs, checkOne(field, text))
	}
	return errors.Join(errs...)
}

func checkOne(field, text string) error {
	u, err := url.Parse(strings.TrimSpace(text))
	if err != nil || strings.Contains(u.Path+u.RawQuery+u.Fragment, "@") {
		return fmt.Errorf("nats: %w: %s can't be parsed, must be like nats://user:password@host:4222, "+
			"with reserved characters percent-encoded", queue.ErrConfig, field)
	}
	switch u.Scheme {
	case "nats", "tls", "ws", "wss":
	default:
		return fmt.Errorf("nats: %w: %s %q has scheme %q, must be nats, tls, ws or wss: nats://host:4222",
			queue.ErrConfig, field, address.Redact(text), address.Scheme(text))
	}
	if u.Hostname() == "" {
		return fmt.Errorf("nats: %w: %s %q names no host, must be like nats://host:4222",
			queue.ErrConfig, field, address.Redact(text))
	}
	return nil
}
