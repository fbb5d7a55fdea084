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

// Letters returns the operator's access to the dead letters. A letter that RabbitMQ itself has made
// has reason, queue and time of the newest record in its header x-death.
//
// RabbitMQ shows a message only to the consumer that takes it. So each call takes the letters, over
// its own connection, and gives the remaining ones back when it ends: other calls don't see them
// meanwhile. They may come back in another order. A loop over All has half an hour
// (consumer_timeout) before the broker ends it. A loop that is slower than letters arrive does not
// end by itself.
//
// A quorum queue before RabbitMQ 4.3 counts each time that a letter is given back, and drops it at
// its delivery limit. Therefore a letter that was given back ten times is replaced by a copy, at
// the tail. A limit that a policy sets for "<queue>.dead" must be well above that.
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

// letterWalk implements queue.LetterWalk. All letters that it has taken and not removed are
// unacknowledged on its channel.
//
// It uses consumers, because basic.get takes five times as long on a quorum queue, which makes a
// consumer for each. It uses one consumer after the other, each for a part. Unsettled letters count
// against a consumer's prefetch, and the client keeps unread ones in memory.
type letterWalk struct {
	q       *Queue
	link    *link
	channel *amqp.Channel
	closes  <-chan *amqp.Error // receives the reason when the channel is closed
	name    string

	stream <-chan amqp.Delivery // of the consumer; nil before the first
	tag    string               // its name; empty after its cancellation
	part   int                  // number of letters that it may still hand out
	bytes  int                  // size of all bodies so far
	taken  int                  // number of all letters so far
	last   bool                 // no other consumer follows

	raw     *amqp.Delivery // the last letter, unless it was removed
	removed bool           // at least one letter was removed
	stale   error          // the reason why a letter could not be renewed
}

const (
	// renewAt is the number of times a letter may have been given back before it is renewed.
	// RabbitMQ 4 drops it at 20, unless the queue has another limit.
	renewAt = 10

	// headerWalk names the walk that has renewed a letter, and must not see it again.
	headerWalk = "gentask-walk"

	// hush is the time of silence after which the walk asks whether the queue is empty.
	hush = 50 * time.Millisecond

	// partBytes is about the size of the bodies that are kept in memory, within the bounds of a
	// part.
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
		unblank(raw.Headers)
		w.raw = raw
		return w.letterOf(raw), nil
	}
}

// take returns the next letter, and nil if the queue is empty.
func (w *letterWalk) take() (*amqp.Delivery, error) {
	if w.stream == nil {
		// Most dead-letter queues are empty most of the time: this finds out at once.
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
			if err := w.cancel(); err != nil { // followed by the letters on their way
				return nil, err
			}
		case w.tag != "":
			return nil, w.why()
		case w.last:
			return nil, nil //nolint:nilnil // the queue is empty
		default:
			if err := w.consume(); err != nil {
				return nil, err
			}
		}
	}
}

// wait returns the next letter of the consumer, or silent if none comes. It returns neither if the
// consumer has ended.
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

// why returns the reason why the consumer has ended.
func (w *letterWalk) why() error {
	if !w.channel.IsClosed() {
		if w.link.server.hasConsumerTimeouts() {
			return fmt.Errorf("%w, or letters were held for longer than the consumer timeout", errConsumerCancelled)
		}
		return errConsumerCancelled
	}
	if err := <-w.closes; err != nil {
		return err
	}
	return amqp.ErrClosed
}

// get takes one letter without a consumer. If there is none, or no queue, the walk ends with the
// letters on their way.
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
		return nil, nil //nolint:nilnil // there is no letter
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

// cancel cancels the consumer. Its letters are still held, and those on their way are still in its
// stream.
func (w *letterWalk) cancel() error {
	if w.tag == "" {
		return nil
	}
	tag := w.tag
	w.tag = ""
	return w.channel.Cancel(tag, false)
}

// Redrive publishes over the connection that all publishers share.
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

// Close gives the remaining letters back, and waits until the broker has handled that and the
// removals.
func (w *letterWalk) Close(ctx context.Context) error {
	stop := context.AfterFunc(ctx, w.link.cut)
	defer stop()
	defer w.link.cut()
	w.renew(ctx)
	if w.channel.IsClosed() {
		return w.stale // its error was returned by another call, or there is no queue
	}
	err := w.cancel() // otherwise it would get all letters again
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

// flush waits until acknowledgements are applied. The broker delays those of a quorum queue while
// many are under way, and forgets them with the channel: removed letters would be back. A get is
// answered after those that are under way, and by the next one the delayed ones are under way too.
func (w *letterWalk) flush() error {
	for i := 0; w.removed && i < 3; i++ {
		if _, _, err := w.channel.Get(w.q.deadName(), false); err != nil {
			return err
		}
	}
	return nil
}

// renew replaces the last letter by a copy, if it stays and was given back so often that the broker
// may soon drop it.
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
		w.stale = fmt.Errorf("rabbitmq: dead letter %q of %q was given back %d times, can't be renewed, "+
			"and may be dropped at the delivery limit: %w",
			raw.MessageId, w.q.name, count(raw.Headers[headerCount]), err)
	}
	w.raw = nil
}

// copyTo publishes a copy of the last letter. Headers that are not rewritten stay, except the
// broker's counts, and those that must not be repeated: see held.copyOf. The broker's records of
// the death stay with a dead letter only.
func (w *letterWalk) copyTo(ctx context.Context, name string, rewrite queue.Rewrite) error {
	raw := w.raw
	headers := maps.Clone(raw.Headers)
	if headers == nil {
		headers = make(amqp.Table, 1)
	}
	for _, own := range []string{headerCount, headerAcquired, "CC", "BCC"} {
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
	record(headers, w.letterOf(raw).Properties)
	shed(headers, headerRoom(w.link.Config.FrameSize))
	id := raw.MessageId
	if id == "" {
		id = rand.Text()
	}
	msg := amqp.Publishing{
		Headers: headers, ContentType: raw.ContentType, ContentEncoding: raw.ContentEncoding,
		DeliveryMode: amqp.Persistent,
		Priority:     raw.Priority, CorrelationId: raw.CorrelationId, ReplyTo: raw.ReplyTo, MessageId: id,
		Timestamp: raw.Timestamp, Type: raw.Type, AppId: raw.AppId, Body: raw.Body,
	}
	if err := w.q.broker.publisher.publish(ctx, []outgoing{{queue: name, msg: msg}})[0]; err != nil {
		return fmt.Errorf("rabbitmq: dead letter %q of %q: copy to queue %q: %w", raw.MessageId, w.q.name, name, err)
	}
	return nil
}

// brokersDeath reports whether RabbitMQ uses the header for its own dead-lettering.
func brokersDeath(name string) bool {
	return name == headerDeath || strings.HasPrefix(name, "x-first-death-") || strings.HasPrefix(name, "x-last-death-")
}

// failed adds the operation to an error.
func (w *letterWalk) failed(ctx context.Context, err error) error {
	return failed(ctx, w.link.at, fmt.Sprintf("go over the dead letters of queue %q", w.q.name), err)
}

// letterOf returns the user's view of a letter of the walk.
func (w *letterWalk) letterOf(raw *amqp.Delivery) queue.Message {
	return w.q.letterOf(raw, w.q.broker.scale(w.link.server))
}
