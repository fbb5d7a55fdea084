package rabbitmq

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"maps"
	"strconv"
	"strings"
	"time"

	"github.com/gentask/gentask/queue"
	amqp "github.com/rabbitmq/amqp091-go"
)

// Letters returns the dead letters for the operator.
//
// RabbitMQ shows a message only to who takes it. So each call takes the letters, on a connection of its own, and gives back what it left when it
// ends: others don't see them meanwhile. They may come back in another order. A loop over All has half an hour (consumer_timeout) before
// the broker ends it, and one that is slower than letters arrive does not end by itself. A quorum queue before RabbitMQ 4.3 counts each time
// that a letter is given back, and drops it at its delivery limit; so a letter that was given back ten times is replaced by a copy of itself, at
// the tail. A limit that a policy sets for "<queue>.dead" has to be well above that.
func (q *Queue) Letters() *queue.Letters { return queue.NewLetters(letterBox{q}) }

// letterBox implements queue.LetterBox.
type letterBox struct{ q *Queue }

func (b letterBox) OpenLetters(ctx context.Context) (queue.LetterWalk, error) {
	q := b.q
	if err := checkName(q.name); err != nil {
		return nil, err
	}
	dialing, cancel := context.WithTimeout(ctx, q.broker.cfg.DialTimeout)
	defer cancel()
	l, err := q.broker.dial(dialing, "dead letters", 0)
	if err != nil {
		return nil, err
	}
	w := &letterWalk{q: q, link: l, name: rand.Text()}
	stop := context.AfterFunc(dialing, l.cut)
	defer stop()
	if w.channel, err = l.Channel(); err != nil {
		l.cut()
		return nil, w.failed(dialing, err)
	}
	w.closes = w.channel.NotifyClose(make(chan *amqp.Error, 1))
	return w, nil
}

// letterWalk implements queue.LetterWalk. Everything that it has taken and not removed is unacknowledged on its channel.
//
// It consumes: to get each letter takes five times as long on a quorum queue, which makes a consumer for each. One consumer after the other
// takes a part, for what is held unsettled counts against a consumer's prefetch, and the client keeps in memory what is not read.
type letterWalk struct {
	q       *Queue
	link    *link
	channel *amqp.Channel
	closes  <-chan *amqp.Error // says why the channel is closed
	name    string

	stream <-chan amqp.Delivery // of the consumer; nil before the first
	tag    string               // its name; empty when it is cancelled
	part   int                  // how many more it may hand out
	bytes  int                  // of all bodies so far
	taken  int                  // all letters so far
	last   bool                 // no other consumer follows

	raw     *amqp.Delivery // the last one, unless it was removed
	removed bool           // one was, at least
	stale   error          // why a letter could not be renewed
}

const (
	// renewAt is how often a letter may have been given back before it is renewed. RabbitMQ 4 drops it at 20, unless the queue says otherwise.
	renewAt = 10

	// headerWalk names the walk that has renewed a letter, which must not see it again.
	headerWalk = "gentask-walk"

	// hush is after what silence the queue is asked whether it is empty.
	hush = 50 * time.Millisecond

	// partBytes is about how much of the bodies is kept in memory, within the bounds of a part.
	partBytes, minPart, maxPart = 4 << 20, 20, 2000
)

// Next takes the next letter.
func (w *letterWalk) Next(ctx context.Context) (queue.Message, error) {
	stop := context.AfterFunc(ctx, w.link.cut)
	defer stop()
	w.renew(ctx)
	for {
		raw, err := w.take()
		if err != nil {
			return queue.Message{}, w.failed(ctx, err)
		}
		if raw == nil {
			return queue.Message{}, io.EOF
		}
		w.taken++
		w.bytes += len(raw.Body)
		if raw.Headers[headerWalk] == w.name {
			continue // it stays
		}
		delete(raw.Headers, headerWalk)
		w.raw = raw
		return message(raw, w.q.broker.cfg.MaxPriority), nil
	}
}

// take returns what comes next, nil when the queue is empty.
func (w *letterWalk) take() (*amqp.Delivery, error) {
	if w.stream == nil {
		// Most dead-letter queues are empty most of the time: this tells at once.
		if raw, err := w.get(); raw != nil || err != nil || w.last {
			return raw, err
		}
	}
	for {
		raw, silent := w.wait()
		switch {
		case raw != nil:
			w.part--
			if w.part > 0 || w.tag == "" {
				return raw, nil
			}
			return raw, w.cancel()
		case silent:
			if raw, err := w.get(); raw != nil || err != nil {
				return raw, err
			}
			if err := w.cancel(); err != nil { // and then there is what was on its way
				return nil, err
			}
		case w.tag != "":
			return nil, w.why()
		case w.last:
			return nil, nil //nolint:nilnil // the end, as said above
		default:
			if err := w.consume(); err != nil {
				return nil, err
			}
		}
	}
}

// wait returns the next delivery of the consumer, or that none comes. It returns neither when the consumer has ended.
func (w *letterWalk) wait() (raw *amqp.Delivery, silent bool) {
	timer := time.NewTimer(hush)
	defer timer.Stop()
	select {
	case raw, ok := <-w.stream:
		if !ok {
			return nil, false
		}
		return &raw, false
	case <-timer.C:
		return nil, true
	}
}

// why says why the consumer has ended.
func (w *letterWalk) why() error {
	if !w.channel.IsClosed() {
		return errConsumerCancelled
	}
	if err := <-w.closes; err != nil {
		return err
	}
	return amqp.ErrClosed
}

// get takes one without a consumer. When there is none, or no queue, the walk ends with what was on its way.
func (w *letterWalk) get() (*amqp.Delivery, error) {
	raw, ok, err := w.channel.Get(w.q.deadName(), false)
	if w.stream == nil {
		none := make(chan amqp.Delivery)
		close(none)
		w.stream = none
	}
	if ok && err == nil {
		return &raw, nil
	}
	w.last = true
	if isNotFound(err) {
		return nil, nil //nolint:nilnil // as said above
	}
	return nil, err
}

// consume starts the next consumer.
func (w *letterWalk) consume() (err error) {
	w.part = min(max(partBytes/(w.bytes/max(w.taken, 1)+1), minPart), maxPart)
	if err := w.channel.Qos(w.part, 0, false); err != nil {
		return err
	}
	w.tag = w.name + strconv.Itoa(w.taken)
	w.stream, err = w.channel.Consume(w.q.deadName(), w.tag, false, false, false, false, nil)
	return err
}

// cancel ends the consumer. What it has taken is still held, and what was on its way is still in its stream.
func (w *letterWalk) cancel() error {
	if w.tag == "" {
		return nil
	}
	tag := w.tag
	w.tag = ""
	return w.channel.Cancel(tag, false)
}

// Redrive publishes on the connection that all publishers share.
func (w *letterWalk) Redrive(ctx context.Context, rewrite queue.Rewrite) (bool, error) {
	if err := w.q.ensureQueue(ctx); err != nil {
		return false, err
	}
	if err := w.copyTo(ctx, w.q.name, rewrite); err != nil {
		return false, err
	}
	return w.Remove(ctx)
}

func (w *letterWalk) Remove(ctx context.Context) (bool, error) {
	stop := context.AfterFunc(ctx, w.link.cut)
	defer stop()
	err := w.raw.Ack(false)
	w.raw, w.removed = nil, true
	if err != nil {
		return false, w.failed(ctx, err)
	}
	return true, nil
}

// Close gives back what is left, and waits until the broker has heard of that and of what was removed.
func (w *letterWalk) Close(ctx context.Context) error {
	stop := context.AfterFunc(ctx, w.link.cut)
	defer stop()
	defer w.link.cut()
	w.renew(ctx)
	if w.channel.IsClosed() {
		return w.stale // its error was that of another call, or there is no queue
	}
	err := w.cancel() // or it would have it all again
	if err == nil {
		err = w.flush()
	}
	if err == nil {
		err = w.channel.Nack(0, true, true)
	}
	if err == nil {
		err = w.channel.Close()
	}
	if err != nil {
		return errors.Join(w.stale, w.failed(ctx, err))
	}
	w.link.leave(ctx)
	return w.stale
}

// flush waits until acknowledgements are applied. The broker puts off those of a quorum queue when many are under way, and forgets them with the
// channel: what was removed would be back. A get comes behind what is under way, and by the next one what was put off is under way too.
func (w *letterWalk) flush() error {
	for i := 0; w.removed && i < 3; i++ {
		if _, _, err := w.channel.Get(w.q.deadName(), false); err != nil {
			return err
		}
	}
	return nil
}

// renew puts a copy in the place of the last letter, if that is to stay and was given back so often that the broker may soon drop it.
func (w *letterWalk) renew(ctx context.Context) {
	raw := w.raw
	if raw == nil || !raw.Redelivered || count(raw.Headers[headerCount]) < renewAt {
		w.raw = nil
		return
	}
	err := w.copyTo(ctx, w.q.deadName(), queue.Rewrite{headerWalk: w.name})
	if err == nil {
		_, err = w.Remove(ctx)
	}
	if err != nil && w.stale == nil {
		w.stale = fmt.Errorf("rabbitmq: dead letter %q of %q was given back %d times, can't be renewed, and may be dropped at the delivery limit: %w",
			raw.MessageId, w.q.name, count(raw.Headers[headerCount]), err)
	}
	w.raw = nil
}

// copyTo publishes a copy of the last letter. All that is not rewritten stays as it is, but what the broker counted, and what would not mean
// the same again: see held.copyOf. What the broker says about the death itself stays with a dead letter only.
func (w *letterWalk) copyTo(ctx context.Context, name string, rewrite queue.Rewrite) error {
	raw := w.raw
	headers := maps.Clone(raw.Headers)
	if headers == nil {
		headers = make(amqp.Table, 1)
	}
	for _, own := range []string{headerCount, "x-acquired-count", "CC", "BCC"} {
		delete(headers, own)
	}
	if name == w.q.name {
		maps.DeleteFunc(headers, func(name string, _ any) bool { return brokersDeath(name) })
	}
	for name, value := range rewrite {
		delete(headers, name)
		if value != "" {
			headers[name] = value
		}
	}
	shed(headers, headerRoom(w.link.Config.FrameSize))
	id := raw.MessageId
	if id == "" {
		id = rand.Text()
	}
	msg := amqp.Publishing{
		Headers: headers, ContentType: raw.ContentType, ContentEncoding: raw.ContentEncoding, DeliveryMode: amqp.Persistent,
		Priority: raw.Priority, CorrelationId: raw.CorrelationId, ReplyTo: raw.ReplyTo, MessageId: id,
		Timestamp: raw.Timestamp, Type: raw.Type, AppId: raw.AppId, Body: raw.Body,
	}
	if err := w.q.broker.publisher.publish(ctx, []outgoing{{queue: name, msg: msg}})[0]; err != nil {
		return fmt.Errorf("rabbitmq: dead letter %q of %q: copy to queue %q: %w", raw.MessageId, w.q.name, name, err)
	}
	return nil
}

// brokersDeath reports whether a header is where RabbitMQ says how it dead-lettered the message.
func brokersDeath(name string) bool {
	return name == "x-death" || strings.HasPrefix(name, "x-first-death-") || strings.HasPrefix(name, "x-last-death-")
}

// failed says what was tried.
func (w *letterWalk) failed(ctx context.Context, err error) error {
	return failed(ctx, w.link.at, fmt.Sprintf("go over the dead letters of queue %q", w.q.name), err)
}
