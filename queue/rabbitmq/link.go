package rabbitmq

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/url"
	"os"
	"slices"
	"strconv"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/gentask/gentask/queue/internal/address"
)

// link is one AMQP connection whose socket can be cut at any moment. The client's own calls wait
// for ever on a dead network, and for a broker that is short of memory and stops reading.
type link struct {
	*amqp.Connection
	at     string // its URL, without the password
	server serverVersion
	socket *cork
	tap    *tap // replaces socket for the client's reads
}

// dial connects and logs in at the first of the broker's addresses that accepts. Only ctx bounds
// it. pulse is the longest heartbeat; 0 means that of the config and the URL.
func (b *Broker) dial(ctx context.Context, purpose string, pulse time.Duration) (*link, error) {
	urls, err := b.addresses.URLs(ctx)
	if err != nil {
		return nil, fmt.Errorf("rabbitmq: %w", err)
	}
	var failures []error
	for i, url := range urls {
		uri, err := checkURL(b.field(i), url)
		if err != nil {
			return nil, err
		}
		l, err := b.dialShare(ctx, len(urls)-i, url, uri, purpose, pulse)
		if err == nil {
			return l, nil
		}
		failures = append(failures, err)
	}
	return nil, tell(failures)
}

// field names the URL in errors.
func (b *Broker) field(i int) string {
	if b.cfg.URLs == nil {
		return "url"
	}
	return fmt.Sprintf("Config.URLs, result %d", i+1)
}

// dialShare dials one of left addresses, within its share of the remaining time.
func (b *Broker) dialShare(ctx context.Context, left int, url string, uri amqp.URI, purpose string,
	pulse time.Duration,
) (*link, error) {
	at := fmt.Sprintf("%s://%s@%s, vhost %q", uri.Scheme, uri.Username,
		net.JoinHostPort(uri.Host, strconv.Itoa(uri.Port)), uri.Vhost)
	if end, bounded := ctx.Deadline(); bounded && left > 1 {
		share, cancel := context.WithTimeout(ctx, time.Until(end)/time.Duration(left))
		defer cancel()
		ctx = share
	}
	l := &link{at: at}
	stop := func() bool { return true }
	config := b.amqpConfig(purpose)
	config.Dial = func(network, addr string) (net.Conn, error) {
		socket, err := (&net.Dialer{}).DialContext(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		conn, err := b.encrypt(ctx, socket, &uri)
		if err != nil {
			_ = socket.Close()
			return nil, err
		}
		l.socket = &cork{Conn: conn}
		l.tap = newTap(l.socket)
		stop = context.AfterFunc(ctx, l.cut)
		return l.tap, nil
	}
	conn, err := amqp.DialConfig(withoutTLS(withPulse(url, pulse, &config), &uri), config)
	if !stop() {
		err = ctx.Err()
	}
	if err != nil {
		l.cut()
		return nil, failed(ctx, at, "connect", err)
	}
	l.Connection, l.server = conn, versionOf(conn.Properties)
	return l, nil
}

// tell returns the error of a dial that failed everywhere. If one address refused, only that error
// is wrapped, because the consumer must then retry with a back-off, unlike with a node that is
// down.
func tell(failures []error) error {
	if len(failures) == 1 {
		return failures[0]
	}
	told := slices.IndexFunc(failures, func(err error) bool { return errors.Is(err, ErrRefused) })
	told = max(told, 0)
	text := ""
	for i, err := range failures {
		if i != told {
			text += "; " + err.Error()
		}
	}
	return fmt.Errorf("%w%s", failures[told], text)
}

// withPulse limits the heartbeat of the config and that of the URL, which takes precedence.
func withPulse(at string, pulse time.Duration, config *amqp.Config) string {
	if pulse == 0 {
		return at
	}
	config.Heartbeat = min(config.Heartbeat, pulse)
	u, err := url.Parse(at)
	if err != nil {
		return at // the client returns the error
	}
	q := u.Query()
	if !q.Has("heartbeat") {
		return at
	}
	most := int(pulse / time.Second)
	if n, err := strconv.Atoi(q.Get("heartbeat")); err == nil && (n == 0 || n > most) {
		q.Set("heartbeat", strconv.Itoa(most))
		u.RawQuery = q.Encode()
	}
	return u.String()
}

// amqpConfig returns a new config for each connection, because the client writes into parts of it.
// Its Recovery stays off: it would keep a channel across a reconnect, and apply a settlement of the
// old connection to another delivery of the new one.
func (b *Broker) amqpConfig(purpose string) amqp.Config {
	properties := amqp.NewConnectionProperties()
	properties.SetClientConnectionName(b.title(purpose))
	return amqp.Config{Heartbeat: b.cfg.Heartbeat, Properties: properties}
}

// title returns the connection's name at the broker: the program, its purpose and its host.
func (b *Broker) title(purpose string) string {
	return fmt.Sprintf("%s %s (%s:%d)", b.cfg.Name, purpose, b.host, os.Getpid())
}

// failed adds the operation and the URL to an error, without the password.
func failed(ctx context.Context, at, what string, err error) error {
	if ctx.Err() != nil {
		err = fmt.Errorf("not within the time allowed: %w", ctx.Err())
	}
	return fmt.Errorf("rabbitmq: %s: %s: %w", at, what, address.ScrubError(explain(err)))
}

// cut ends the connection at once, without AMQP's close. All calls that wait for it return.
func (l *link) cut() {
	if l.socket != nil {
		_ = l.socket.Close() // the second close of a socket is an error
	}
}

// leave closes the connection, and cuts it if ctx ends before.
func (l *link) leave(ctx context.Context) {
	stop := context.AfterFunc(ctx, l.cut)
	defer stop()
	_ = l.Close() // an error means that it is closed already
	l.cut()
}

// control runs f with a channel of a new connection. Requests about queues are rare, may close
// their channel, and must not wait behind a publisher that the broker blocks.
func (b *Broker) control(ctx context.Context, what string, f func(ch *amqp.Channel) error) error {
	return b.controlLink(ctx, what, func(l *link) error { return l.briefly(f) })
}

// controlLink is control for f that needs several channels.
func (b *Broker) controlLink(ctx context.Context, what string, f func(l *link) error) error {
	ctx, cancel := context.WithTimeout(ctx, b.cfg.DialTimeout)
	defer cancel()
	return patiently(ctx, func() error {
		l, err := b.dial(ctx, "control", 0)
		if err != nil {
			return err
		}
		defer l.leave(ctx)
		stop := context.AfterFunc(ctx, l.cut)
		defer stop()
		if err := f(l); err != nil {
			return failed(ctx, l.at, what, err)
		}
		return nil
	})
}

// briefly runs f with a channel of its own.
func (l *link) briefly(f func(ch *amqp.Channel) error) error {
	ch, err := l.Channel()
	if err != nil {
		return err
	}
	if err := f(ch); err != nil {
		_ = ch.Close() // the broker has closed it already, as a rule
		return err
	}
	return ch.Close()
}

const (
	// mostCollisions is how often a request is repeated that the broker answers with an internal
	// error. It does so when several clients create one quorum queue at the same time.
	mostCollisions = 6

	// collisionWait is the shortest wait before the first repetition; later ones take longer.
	collisionWait = 20 * time.Millisecond
)

// patiently calls f again, each time after a longer wait, while it fails with an internal error of
// the broker.
func patiently(ctx context.Context, f func() error) error {
	for try := range mostCollisions {
		err := f()
		var reply *amqp.Error
		if !errors.As(err, &reply) || reply.Code != amqp.InternalError {
			return err
		}
		wait := collisionWait << try
		select {
		case <-time.After(wait + rand.N(wait)):
		case <-ctx.Done():
			return err
		}
	}
	return f()
}

// goodbye is the most time to close a connection that no caller waits for.
const goodbye = 2 * time.Second
