package doctor

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// rabbitMQ looks at a RabbitMQ over AMQP.
func (e *examination) rabbitMQ(ctx context.Context) {
	conn, err := amqp.DialConfig(e.URL, amqp.Config{
		Dial: amqp.DefaultDial(e.Patience), Properties: amqp.Table{"connection_name": "gentask doctor"},
	})
	if err != nil {
		e.failed(Wrong, "connection", err, "is the broker there, and are user, password and virtual host right?")
		return
	}
	defer conn.CloseDeadline(time.Now().Add(e.Patience)) //nolint:errcheck // nothing is left to lose
	e.address("amqps")
	e.rabbitUser()
	e.rabbitVersion(conn)
	e.rabbitAlarm(ctx, conn)
	e.rabbitRights(conn)
	for _, name := range e.Queues {
		e.rabbitType(conn, name)
	}
	e.add(Unknown, "policies", "AMQP does not show them",
		"rabbitmqctl list_policies: none with expires, message-ttl, max-length or delayed-retry may match "+
			"<queue>.dead, <queue>.suspects or <queue>.delay.*")
	e.add(Unknown, "consumer_timeout", "AMQP does not show it",
		"rabbitmqctl environment: it must be longer than the longest job; the default is 30 minutes")
	e.add(Unknown, "free memory and disk", "AMQP shows alarms only", "rabbitmq-diagnostics status")
}

// rabbitUser looks at the user of the URL.
func (e *examination) rabbitUser() {
	u, err := url.Parse(e.URL)
	if err != nil {
		return
	}
	e.is(u.User.Username() == "guest" && !isLoopback(u.Hostname()), Risk, "user", "is "+u.User.Username(),
		"make a user with the rights that it needs: guest has all rights, and a known password")
}

func (e *examination) rabbitVersion(conn *amqp.Connection) {
	product, _ := conn.Properties["product"].(string)
	version, _ := conn.Properties["version"].(string)
	is := product + " " + version
	switch {
	case product != "RabbitMQ":
		e.add(Risk, "server", is, "use RabbitMQ: the driver is tested with no other server")
	case older(version, "3.10"):
		e.add(Wrong, "server", is, "use RabbitMQ 3.10 or newer")
	case !older(version, "4.3") && older(version, "4.3.3"):
		e.add(Risk, "server", is, "use 4.3.3 or newer: it mends dead-lettering, by which delayed messages come back")
	default:
		e.add(Fine, "server", is, "")
	}
}

// alarmAfter is how long the broker may take to report that it blocks publishers.
const alarmAfter = 300 * time.Millisecond

// rabbitAlarm publishes a message to a queue that does not exist, which the broker confirms and
// drops. While it is short of memory or disk, it reports that instead.
func (e *examination) rabbitAlarm(ctx context.Context, conn *amqp.Connection) {
	blocked := conn.NotifyBlocked(make(chan amqp.Blocking, 2))
	ctx, cancel := e.bounded(ctx)
	defer cancel()
	ch, err := conn.Channel()
	if err == nil {
		err = ch.Confirm(false)
	}
	var confirm *amqp.DeferredConfirmation
	if err == nil {
		confirm, err = ch.PublishWithDeferredConfirmWithContext(ctx, "", "gentask.doctor."+rand.Text(), false, false,
			amqp.Publishing{Body: []byte("gentask doctor")})
	}
	if err != nil {
		e.failed(Risk, "publishing", err, "grant the user the right to write to amq.default")
		return
	}
	const do = "free memory or disk at the broker, or raise its limits: publishers wait"
	select {
	case b := <-blocked:
		e.is(b.Active, Wrong, "alarm", "the broker blocks publishers: "+b.Reason, do)
	case <-confirm.Done():
		select {
		case b := <-blocked:
			e.is(b.Active, Wrong, "alarm", "the broker blocks publishers: "+b.Reason, do)
		case <-time.After(alarmAfter):
			e.add(Fine, "alarm", "none", "")
		}
	case <-ctx.Done():
		e.add(Wrong, "publishing", fmt.Sprintf("no confirm within %v", e.Patience), do)
	}
}

// rabbitRights finds out whether the user may make queues of its own.
func (e *examination) rabbitRights(conn *amqp.Connection) {
	err := briefly(conn, func(ch *amqp.Channel) error {
		_, err := ch.QueueDeclare("gentask.node.doctor-"+rand.Text(), false, true, true, false, nil)
		return err
	})
	var reply *amqp.Error
	if errors.As(err, &reply) && reply.Code == amqp.AccessRefused {
		e.failed(Risk, "rights", err,
			"a worker needs configure on <queue>.delay.*, and a fleet what docs/drivers.md lists")
		return
	}
	if err != nil {
		e.failed(Risk, "rights", err, "see the log of the broker")
		return
	}
	e.add(Fine, "rights", "the user may make queues", "")
}

// briefly calls f on a channel that the broker may close.
func briefly(conn *amqp.Connection, f func(ch *amqp.Channel) error) error {
	ch, err := conn.Channel()
	if err != nil {
		return err
	}
	defer ch.Close() //nolint:errcheck // the broker may have closed it
	return f(ch)
}

// rabbitType finds out the type of a queue. AMQP has no request for that, so it makes one that the
// broker must refuse, and reads the refusal. The argument of streams makes it refuse also when
// there is no queue, so that none is made.
func (e *examination) rabbitType(conn *amqp.Connection, name string) {
	err := briefly(conn, func(ch *amqp.Channel) error {
		_, err := ch.QueueDeclare(name, true, false, false, false,
			amqp.Table{"x-queue-type": "quorum", "x-max-age": "1h"})
		return err
	})
	var reply *amqp.Error
	if !errors.As(err, &reply) || !strings.Contains(reply.Reason, "inequivalent arg 'x-queue-type'") {
		return // it is a quorum queue, or can't be told
	}
	e.add(Risk, fmt.Sprintf("queue %q", name), "is not a quorum queue",
		"use quorum queues: a classic one is not replicated, and counts only one of the deliveries that were lost; "+
			"or set Policy.IsolateSuspects")
}
