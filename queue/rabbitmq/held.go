package rabbitmq

import (
	"strconv"
	"time"

	"github.com/gentask/gentask/queue"
	amqp "github.com/rabbitmq/amqp091-go"
)

// held is a delivery with the data for its copies.
type held struct {
	queue.Delivery
	raw     *amqp.Delivery // nil for a plain one, whose Delivery has everything
	room    int            // most bytes of headers of a copy; 0 means no limit
	claimed bool           // a call is settling it

	refused   error // the error of its last copy
	elsewhere bool  // reports whether that copy was for another queue
}

// hold returns the delivery of raw. It does not keep raw, which the caller reuses.
func (s *session) hold(raw *amqp.Delivery) *held { return s.holdBy(raw, s.tally) }

// holdBy is hold for a delivery of a queue that counts by another tally.
func (s *session) holdBy(raw *amqp.Delivery, by tally) *held {
	used := usedUp(raw, by)
	h := &held{room: headerRoom(s.link.Config.FrameSize), Delivery: queue.Delivery{
		Message: message(raw, s.scale), Tag: raw.DeliveryTag,
		Attempt: used + 1, Redelivered: raw.Redelivered || isCopy(raw.Headers),
	}}
	if h.ID == "" {
		h.ID = s.queue.broker.host + "-" + s.nonce + "-" + strconv.FormatUint(h.Tag, 10)
	}
	h.NotBefore = early(raw.Headers)
	if !plain(raw) {
		kept := *raw
		h.raw = &kept
	}
	return h
}

// arrive keeps a delivery until deliver.
func (s *session) arrive(raw *amqp.Delivery) {
	if s.isOfStream(raw) {
		s.lose(s.queue.checkFound(found{kind: stream}))
		s.link.cut()
		return
	}
	s.last.Load().count(raw)
	s.arrived = append(s.arrived, s.hold(raw))
}

// isOfStream reports whether a delivery comes from a stream. Only the deliveries of a queue whose
// type could not be found out are asked: any publisher can write that header.
func (s *session) isOfStream(raw *amqp.Delivery) bool {
	return s.queue.broker.cfg.Passive && s.found.kind == "" && raw.Headers[argOffset] != nil
}

// deliver passes the deliveries that have arrived to Receive.
func (s *session) deliver() {
	s.mu.Lock()
	s.inbox, s.fed = append(s.inbox, s.arrived...), time.Now()
	s.mu.Unlock()
	clear(s.arrived)
	s.arrived = s.arrived[:0]
	signal(s.arrival)
}

// take returns the next delivery, or nil if there is none.
func (s *session) take() *held {
	if s.taken == len(s.next) {
		s.look()
	}
	if s.taken == len(s.next) {
		return nil
	}
	h := s.next[s.taken]
	s.next[s.taken] = nil
	s.taken++
	return h
}

// look empties the inbox, and enters its deliveries into the prefix.
func (s *session) look() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.next, s.inbox, s.taken = s.inbox, s.next[:0], 0
	for _, h := range s.next {
		s.prefix.hold(h)
	}
}

// plain reports whether raw has nothing beyond the message that the user sees. Most are plain, and
// most are acknowledged and never copied.
func plain(raw *amqp.Delivery) bool {
	return len(raw.Headers) == 0 && raw.ContentEncoding == "" && raw.Priority == 0 && raw.CorrelationId == "" &&
		raw.ReplyTo == "" &&
		raw.Type == "" && raw.AppId == ""
}

// original returns the message as it arrived, as far as a copy needs it. The milliseconds may be in
// its timestamp.
func (h *held) original() *amqp.Delivery {
	if h.raw != nil {
		return h.raw
	}
	return &amqp.Delivery{ContentType: h.ContentType, Timestamp: h.Time, Body: h.Body}
}
