package rabbitmq

import (
	"maps"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/gentask/gentask/queue"
	amqp "github.com/rabbitmq/amqp091-go"
)

// copyOf returns the copy that replaces the original: the same message, with used attempts used up.
// It omits properties that must not be repeated:
//
//   - the broker's records about the original,
//   - its time to live, because it arrived in time: a header keeps it, and the way that it came,
//   - further recipients, because they got theirs,
//   - the user who sent it, because the broker accepts only the user of the connection.
//
// If room is positive, headers beyond it are removed: see shed.
func (h *held) copyOf(used, room int) amqp.Publishing {
	raw := h.original()
	headers := maps.Clone(raw.Headers)
	if headers == nil {
		headers = make(amqp.Table, 2)
	}
	if raw.Timestamp.Nanosecond() > 0 {
		headers[headerMillis] = raw.Timestamp.UnixMilli()
	}
	for _, name := range []string{
		headerCount, headerAcquired, "x-death", "x-first-death-exchange", "x-first-death-queue",
		"x-first-death-reason",
		"x-last-death-exchange", "x-last-death-queue", "x-last-death-reason", "CC", "BCC", headerNotBefore,
	} {
		delete(headers, name)
	}
	record(headers, h.Properties)
	shed(headers, room)
	headers[queue.HeaderAttempts] = strconv.Itoa(used)
	return amqp.Publishing{
		Headers: headers, ContentType: raw.ContentType, ContentEncoding: raw.ContentEncoding,
		DeliveryMode: amqp.Persistent,
		Priority:     raw.Priority, CorrelationId: raw.CorrelationId, ReplyTo: raw.ReplyTo, MessageId: h.ID,
		Timestamp: raw.Timestamp, Type: raw.Type, AppId: raw.AppId, Body: raw.Body,
	}
}

// ours is more than the size of the headers that every copy must have: the attempts, the queue and
// the time.
const ours = 512

// shed removes headers, the largest first, until they fit room, if that is positive. Another
// program may have filled a frame to its limit, and a copy that can't be published would keep the
// delivery, and its slot, for ever.
func shed(headers amqp.Table, room int) {
	over := size(headers) - room
	if room <= 0 || over <= 0 {
		return
	}
	takes := func(name string) int { return 1 + len(name) + sizeOf(headers[name]) }
	for _, name := range slices.SortedFunc(maps.Keys(headers), func(a, b string) int { return takes(b) - takes(a) }) {
		if over <= 0 {
			return
		}
		over -= takes(name)
		delete(headers, name)
	}
}

// again returns the copy for the next attempt.
func (h *held) again(s *queue.Settlement) amqp.Publishing {
	msg := h.copyOf(s.Attempts(), h.room-ours)
	delete(msg.Headers, queue.HeaderSuspect)
	if s.Reason != "" {
		h.addText(msg.Headers, queue.HeaderReason, s.Reason, queue.MaxReason)
	}
	return msg
}

// released returns the copy for the same attempt. At once, it has all headers; if they leave no
// room, it is refused, and the original is given back. A delayed copy must be published, because
// the original would come back too early.
func (h *held) released(s *queue.Settlement) amqp.Publishing {
	if s.After > 0 {
		return h.copyOf(s.Attempts()-1, h.room-ours)
	}
	return h.copyOf(s.Attempts()-1, 0)
}

// letter returns the copy for the dead-letter queue.
func (h *held) letter(s *queue.Settlement, from string) amqp.Publishing {
	msg := h.copyOf(s.Attempts(), h.room-ours)
	delete(msg.Headers, queue.HeaderReason) // of an earlier attempt
	delete(msg.Headers, queue.HeaderSuspect)
	msg.Headers[queue.HeaderQueue] = from
	msg.Headers[queue.HeaderDeadAt] = time.Now().UTC().Format(time.RFC3339Nano)
	if s.Reason != "" {
		h.addText(msg.Headers, queue.HeaderReason, s.Reason, queue.MaxReason)
	}
	s.Evidence.Headers(func(name, text string, most int) { h.addText(msg.Headers, name, text, most) })
	return msg
}

// addText sets a header to the beginning of value, limited to limit and to the room beside the
// other headers.
func (h *held) addText(headers amqp.Table, name, value string, limit int) {
	delete(headers, name)
	room := maxHeaders
	if h.room > 0 {
		room = min(room, h.room)
	}
	limit = min(limit, room-ours-size(headers)-len(name))
	if limit > 0 {
		headers[name] = cut(value, limit)
	}
}

// cut returns the first bytes of s, at most limit, without a part of a character at the end.
func cut(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	for limit > 0 && !utf8.RuneStart(s[limit]) {
		limit--
	}
	return s[:limit]
}
