package rabbitmq

import (
	"maps"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/gentask/gentask/queue"
	amqp "github.com/rabbitmq/amqp091-go"
)

// copyOf returns what is published in the place of the original: the same message, with used attempts used up. Left out is what would not mean
// the same again: the broker's records about the original, its time to live (it arrived in time), more recipients (they had theirs), and
// the user who sent it (the broker takes only our own name).
func (h *held) copyOf(used int) amqp.Publishing {
	headers := maps.Clone(h.raw.Headers)
	if headers == nil {
		headers = make(amqp.Table, 1)
	}
	for _, name := range []string{
		headerCount, "x-acquired-count", "x-death", "x-first-death-exchange", "x-first-death-queue", "x-first-death-reason",
		"x-last-death-exchange", "x-last-death-queue", "x-last-death-reason", "CC", "BCC",
	} {
		delete(headers, name)
	}
	headers[queue.HeaderAttempts] = strconv.Itoa(used)
	return amqp.Publishing{
		Headers: headers, ContentType: h.raw.ContentType, ContentEncoding: h.raw.ContentEncoding, DeliveryMode: amqp.Persistent,
		Priority: h.raw.Priority, CorrelationId: h.raw.CorrelationId, ReplyTo: h.raw.ReplyTo, MessageId: h.ID,
		Timestamp: h.raw.Timestamp, Type: h.raw.Type, AppId: h.raw.AppId, Body: h.raw.Body,
	}
}

// again is the copy that is the next attempt.
func (h *held) again(s *queue.Settlement) amqp.Publishing {
	msg := h.copyOf(h.Attempt)
	if s.Reason != "" {
		addText(msg.Headers, queue.HeaderReason, s.Reason, queue.MaxReason)
	}
	return msg
}

// released is the copy that is the same attempt.
func (h *held) released() amqp.Publishing { return h.copyOf(h.Attempt - 1) }

// letter is the copy that goes to the dead-letter queue.
func (h *held) letter(s *queue.Settlement, from string) amqp.Publishing {
	msg := h.copyOf(h.Attempt)
	delete(msg.Headers, queue.HeaderReason) // of an earlier attempt
	msg.Headers[queue.HeaderQueue] = from
	msg.Headers[queue.HeaderDeadAt] = time.Now().UTC().Format(time.RFC3339Nano)
	if s.Reason != "" {
		addText(msg.Headers, queue.HeaderReason, s.Reason, queue.MaxReason)
	}
	if s.Stack != "" {
		addText(msg.Headers, queue.HeaderStack, s.Stack, queue.MaxStack)
	}
	return msg
}

// addText sets a header to the beginning of value, no longer than limit, and than what fits the wire beside the other headers.
func addText(headers amqp.Table, name, value string, limit int) {
	delete(headers, name)
	limit = min(limit, maxHeaders-size(headers)-len(name)-16)
	if limit > 0 {
		headers[name] = cut(value, limit)
	}
}

// cut returns the first bytes of s, at most limit, and no part of a character.
func cut(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	for limit > 0 && !utf8.RuneStart(s[limit]) {
		limit--
	}
	return s[:limit]
}
