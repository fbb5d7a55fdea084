package rabbitmq

import (
	"context"
	"crypto/rand"
	"errors"
	"strings"
	"sync"

	amqp "github.com/rabbitmq/amqp091-go"
)

// busLink is one connection of a bus. The broker requires that a question is published on the
// channel that consumes its answers; answers have a channel of their own.
type busLink struct {
	*seamConn
	bus     *bus
	asks    *amqp.Channel
	answers *amqp.Channel

	requests sync.Mutex // held during a request on answers; guards the next two
	queue    string     // of questions; empty until something is answered
	bound    map[string]bool

	waiting sync.Mutex
	inboxes map[string]*inbox
}

// Names of the protocol, and of questions' queues.
const (
	replyTo      = "amq.rabbitmq.reply-to"
	answerPrefix = replyTo + "."
	nodePrefix   = "gentask.node."
)

// A question is of no use after some seconds. These bound what waits for a node that does not read.
const (
	questionTime  = 10_000 // milliseconds
	mostQuestions = 1000
)

// dial connects, and declares what questions need.
func (b *bus) dial(ctx context.Context) (*busLink, error) {
	ctx, cancel := context.WithTimeout(ctx, seamDial)
	defer cancel()
	conn, err := b.broker.dialSeam(ctx, "bus")
	if err != nil {
		return nil, err
	}
	l := &busLink{seamConn: conn, bus: b, bound: map[string]bool{}, inboxes: map[string]*inbox{}}
	var replies <-chan amqp.Delivery
	err = l.bounded(ctx, func() error {
		replies, err = l.begin(b.exchange)
		return errors.Join(err, ctx.Err())
	})
	if err != nil {
		l.drop()
		return nil, err
	}
	l.work.Go(func() { l.receive(replies) })
	return l, nil
}

// begin declares the exchange, and consumes the answers.
func (l *busLink) begin(exchange string) (replies <-chan amqp.Delivery, err error) {
	if l.answers, err = l.channel(); err != nil {
		return nil, err
	}
	if err := l.answers.ExchangeDeclare(exchange, amqp.ExchangeDirect, true, false, false, false, nil); err != nil {
		return nil, err
	}
	if l.asks, err = l.channel(); err != nil {
		return nil, err
	}
	return l.asks.Consume(replyTo, "", true, false, false, false, nil)
}

// bind binds a topic if it is wanted, and unbinds it if not.
func (l *busLink) bind(ctx context.Context, topic string, wanted func() bool) error {
	l.requests.Lock()
	defer l.requests.Unlock()
	want := wanted()
	if want == l.bound[topic] {
		return nil
	}
	return l.bounded(ctx, func() error {
		if !want {
			delete(l.bound, topic)
			return l.answers.QueueUnbind(l.queue, topic, l.bus.exchange, nil)
		}
		if err := l.consume(); err != nil {
			return err
		}
		if err := l.answers.QueueBind(l.queue, topic, l.bus.exchange, false, nil); err != nil {
			return err
		}
		l.bound[topic] = true
		return nil
	})
}

// consume makes the queue of questions, if it is not there.
func (l *busLink) consume() error {
	if l.queue != "" {
		return nil
	}
	name := nodePrefix + strings.ToLower(rand.Text())
	args := amqp.Table{"x-message-ttl": questionTime, "x-max-length": mostQuestions}
	if _, err := l.answers.QueueDeclare(name, false, true, true, false, args); err != nil {
		return err
	}
	questions, err := l.answers.Consume(name, "", true, true, false, false, nil)
	if err != nil {
		return err
	}
	l.queue = name
	l.work.Go(func() { l.serve(questions) })
	return nil
}

// serve hands questions on, until the connection is over.
func (l *busLink) serve(questions <-chan amqp.Delivery) {
	for q := range questions {
		if !strings.HasPrefix(q.ReplyTo, answerPrefix) {
			continue // of another program: no queue is to be written to
		}
		l.bus.hand(q.RoutingKey, q.Body, func(answer []byte) { l.reply(q.ReplyTo, q.CorrelationId, answer) })
	}
}

// reply sends an answer. It is lost if it is too large, or the broker accepts none.
func (l *busLink) reply(to, id string, answer []byte) {
	if len(answer) <= maxTalk && !l.blocked.Load() {
		_ = l.publish(l.answers, "", to, false, amqp.Publishing{CorrelationId: id, Body: answer})
	}
}

// ask sends a question.
func (l *busLink) ask(exchange, topic, id string, question []byte) error {
	if l.blocked.Load() {
		return ErrBlocked
	}
	return l.publish(l.asks, exchange, topic, false,
		amqp.Publishing{ReplyTo: replyTo, CorrelationId: id, Body: question})
}

// receive hands answers to those who asked, until the connection is over.
func (l *busLink) receive(replies <-chan amqp.Delivery) {
	for r := range replies {
		l.waiting.Lock()
		to := l.inboxes[r.CorrelationId]
		l.waiting.Unlock()
		if to != nil {
			to.add(r.Body)
		}
	}
}

// expect makes answers go to an inbox, which it returns.
func (l *busLink) expect(in *inbox) *inbox {
	l.waiting.Lock()
	defer l.waiting.Unlock()
	l.inboxes[in.id] = in
	return in
}

// forget ends expect.
func (l *busLink) forget(in *inbox) {
	l.waiting.Lock()
	defer l.waiting.Unlock()
	delete(l.inboxes, in.id)
}

// inbox gathers the answers to one question. It is unbounded, because each node answers once, and a
// loop that is slow must not hold up those of others.
type inbox struct {
	id   string
	wake chan struct{} // capacity 1

	mu   sync.Mutex
	list [][]byte
}

func newInbox() *inbox { return &inbox{id: rand.Text(), wake: make(chan struct{}, 1)} }

func (in *inbox) add(answer []byte) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.list = append(in.list, answer)
	select {
	case in.wake <- struct{}{}:
	default: // it is awake
	}
}

func (in *inbox) take() [][]byte {
	in.mu.Lock()
	defer in.mu.Unlock()
	list := in.list
	in.list = nil
	return list
}
