package rabbitmq

import (
	"strconv"

	"github.com/gentask/gentask/queue"
	amqp "github.com/rabbitmq/amqp091-go"
)

// held is a delivery with what its copies need.
type held struct {
	queue.Delivery
	raw     *amqp.Delivery // nil for a plain one, of which Delivery says everything
	room    int            // how many bytes of headers a copy may have; 0 for any
	claimed bool           // somebody is settling it

	refused   error // why the last copy of it was refused
	elsewhere bool  // that was a copy for another queue than its own
}

// hold makes of what has arrived what its user sees of it. It keeps nothing of raw itself, which is the caller's to use again.
func (s *session) hold(raw *amqp.Delivery) *held {
	used := usedUp(raw, s.strict)
	h := &held{room: headerRoom(s.link.Config.FrameSize), Delivery: queue.Delivery{
		Message: message(raw, s.queue.broker.cfg.MaxPriority), Tag: raw.DeliveryTag,
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

// arrive keeps what arrives until deliver.
func (s *session) arrive(raw *amqp.Delivery) { s.arrived = append(s.arrived, s.hold(raw)) }

// deliver has what has arrived received.
func (s *session) deliver() {
	s.mu.Lock()
	s.inbox = append(s.inbox, s.arrived...)
	s.mu.Unlock()
	clear(s.arrived)
	s.arrived = s.arrived[:0]
	signal(s.arrival)
}

// note puts into the inbox what has not come by way of deliver.
func (s *session) note(h *held) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.inbox = append(s.inbox, h)
}

// take returns the next delivery, nil when there is none.
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

// look takes out all that is in the inbox, and enters it into the book.
func (s *session) look() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.next, s.inbox, s.taken = s.inbox, s.next[:0], 0
	for _, h := range s.next {
		s.prefix.hold(h)
	}
}

// plain says that raw is no more than the message that its user sees: most are, and most are acknowledged and never copied.
func plain(raw *amqp.Delivery) bool {
	return len(raw.Headers) == 0 && raw.ContentEncoding == "" && raw.Priority == 0 && raw.CorrelationId == "" && raw.ReplyTo == "" &&
		raw.Type == "" && raw.AppId == ""
}

// original is the message as it arrived, as far as a copy needs it; the milliseconds may be in its timestamp.
func (h *held) original() *amqp.Delivery {
	if h.raw != nil {
		return h.raw
	}
	return &amqp.Delivery{ContentType: h.ContentType, Timestamp: h.Time, Body: h.Body}
}
