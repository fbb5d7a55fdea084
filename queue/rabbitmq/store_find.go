package rabbitmq

import (
	"crypto/rand"
	"errors"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/gentask/gentask/queue/rabbitmq/internal/replica"
)

// findStart returns the offset where the newest snapshot begins, and the first one if there is
// none. An entry that it writes makes sure that the log has an end. Entries before that name the
// snapshot; it looks back until it finds one whose writer knew it.
func (l *storeLink) findStart() (any, error) {
	probe := replica.Entry{Kind: replica.KindBeat, ID: rand.Text(), Newest: replica.Unknown}
	l.put(probe.Encode())
	end, newest, err := l.look("last", 0)
	for back := int64(16); err == nil && newest == replica.Unknown && end > 0; back *= 16 {
		if back >= end {
			return "first", nil
		}
		_, newest, err = l.look(end-back, end)
	}
	if newest < 0 { // there was none, or nothing but this entry
		return "first", err
	}
	return newest, err
}

// look reads from a place on. It returns the offset of the first entry, and the snapshot that one
// of the entries up to an offset names.
func (l *storeLink) look(from any, to int64) (first, newest int64, err error) {
	ch, err := l.Channel()
	if err != nil {
		return 0, 0, err
	}
	entries, err := l.consume(ch, from)
	if err != nil {
		return 0, 0, err
	}
	first, newest = -1, replica.Unknown
	for d := range entries {
		offset := offsetOf(&d)
		if first < 0 {
			first = offset
		}
		if e, bad := replica.Decode(d.Body); bad == nil && e.Newest != replica.Unknown {
			newest = e.Newest
		}
		if newest != replica.Unknown || offset >= to {
			return first, newest, closeReading(ch, entries)
		}
		_ = d.Ack(false) // an error ends the channel
	}
	return 0, 0, errors.Join(l.why(), ch.Close())
}

// closeReading closes a channel, and drops what it has brought.
func closeReading(ch *amqp.Channel, entries <-chan amqp.Delivery) error {
	err := ch.Close()
	for range entries { // until it is closed
	}
	return err
}
