package rabbitmq

import (
	"context"
	"fmt"
	"net"
	"os"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// link is one AMQP connection whose socket can be cut at any moment, whatever hangs on it: the client's own calls wait for ever on a dead
// network, and a broker that is short of memory stops reading.
type link struct {
	*amqp.Connection
	socket *cork
}

// dial connects and logs in. Only ctx bounds it.
func (b *Broker) dial(ctx context.Context, purpose string) (*link, error) {
	l := &link{}
	stop := func() bool { return true }
	config := b.amqpConfig(purpose)
	config.Dial = func(network, addr string) (net.Conn, error) {
		conn, err := (&net.Dialer{}).DialContext(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		l.socket = &cork{Conn: conn}
		stop = context.AfterFunc(ctx, l.cut)
		return l.socket, nil
	}
	conn, err := amqp.DialConfig(b.url, config)
	if !stop() {
		err = ctx.Err()
	}
	if err != nil {
		l.cut()
		return nil, b.failed(ctx, "connect", err)
	}
	l.Connection = conn
	return l, nil
}

// amqpConfig is new for each connection: the client writes into parts of it. Its Recovery stays off: it would keep a channel across a reconnect,
// and let a settlement of the old connection through to another delivery of the new one.
func (b *Broker) amqpConfig(purpose string) amqp.Config {
	properties := amqp.NewConnectionProperties()
	properties.SetClientConnectionName(b.title(purpose))
	return amqp.Config{Heartbeat: b.cfg.Heartbeat, TLSClientConfig: b.cfg.TLS.Clone(), Properties: properties}
}

// title is what a human sees at the broker: who, for what, from where.
func (b *Broker) title(purpose string) string {
	return fmt.Sprintf("%s %s (%s:%d)", b.cfg.Name, purpose, b.host, os.Getpid())
}

// failed adds what was tried and where, without the password.
func (b *Broker) failed(ctx context.Context, what string, err error) error {
	if ctx.Err() != nil {
		err = fmt.Errorf("not within the time allowed: %w", ctx.Err())
	}
	return fmt.Errorf("rabbitmq: %s: %s: %w", b.at, what, explain(err))
}

// cut ends the connection at once and without a word. Whatever waits on it returns.
func (l *link) cut() {
	if l.socket != nil {
		_ = l.socket.Close() // the second close of a socket says so
	}
}

// leave says goodbye, and cuts when ctx ends first.
func (l *link) leave(ctx context.Context) {
	stop := context.AfterFunc(ctx, l.cut)
	defer stop()
	_ = l.Close() // an error means that it is closed already
	l.cut()
}

// control runs f with a channel of a connection of its own. Questions about queues are rare, may close their channel, and must not wait
// behind a publisher that the broker blocks.
func (b *Broker) control(ctx context.Context, what string, f func(ch *amqp.Channel) error) error {
	ctx, cancel := context.WithTimeout(ctx, b.cfg.DialTimeout)
	defer cancel()
	l, err := b.dial(ctx, "control")
	if err != nil {
		return err
	}
	defer l.leave(ctx)
	stop := context.AfterFunc(ctx, l.cut)
	defer stop()
	ch, err := l.Channel()
	if err == nil {
		err = f(ch)
	}
	if err != nil {
		return b.failed(ctx, what, err)
	}
	return nil
}

// goodbye bounds the polite end of a connection that nobody waits for.
const goodbye = 2 * time.Second
