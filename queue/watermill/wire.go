package watermill

import (
	"crypto/rand"
	"maps"
	"strconv"
	"strings"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/gentask/gentask/queue"
)

// Metadata that carries the fields of a message.
const (
	keyContentType = "gentask-content-type"
	keyTime        = "gentask-time"

	// keyCorrelationID is the name of the correlation id in watermill's own middleware.
	keyCorrelationID = "correlation_id"
)

// complete fills in the fields that the publisher left empty.
func complete(m queue.Message) queue.Message {
	if m.ID == "" {
		m.ID = rand.Text()
	}
	if m.Time.IsZero() {
		m.Time = time.Now()
	}
	return m
}

// encode returns watermill's message.
func encode(m queue.Message) *message.Message {
	msg := message.NewMessage(m.ID, m.Body)
	for name, value := range m.Headers {
		msg.Metadata.Set(name, value)
	}
	if m.ContentType != "" {
		msg.Metadata.Set(keyContentType, m.ContentType)
	}
	for name, value := range m.Properties.Headers() {
		msg.Metadata.Set(keyOf(name), value)
	}
	if !m.Time.IsZero() {
		msg.Metadata.Set(keyTime, queue.BoundTime(m.Time).Format(time.RFC3339Nano))
	}
	return msg
}

// decode returns the message of watermill's. One without a UUID gets a random id.
func decode(msg *message.Message) queue.Message {
	m := queue.Message{ID: msg.UUID, Body: msg.Payload, ContentType: msg.Metadata.Get(keyContentType)}
	if m.ID == "" {
		m.ID = rand.Text()
	}
	m.Time, _ = time.Parse(time.RFC3339Nano, msg.Metadata.Get(keyTime)) // zero if it can't be parsed
	m.Headers = maps.Clone(map[string]string(msg.Metadata))
	delete(m.Headers, keyContentType)
	delete(m.Headers, keyTime)
	var p queue.Properties
	maps.DeleteFunc(m.Headers, func(key, value string) bool { return p.SetHeader(headerOf(key), value) })
	m.Properties = p.OrNil()
	return m
}

// keyOf returns the key for the header of a property, and headerOf reverses it.
func keyOf(header string) string {
	if header == queue.HeaderCorrelationID {
		return keyCorrelationID
	}
	return header
}

func headerOf(key string) string {
	switch key {
	case keyCorrelationID:
		return queue.HeaderCorrelationID
	case queue.HeaderCorrelationID:
		return "" // no property is kept there
	}
	return key
}

// copyOf returns the copy that replaces a delivery, or its dead letter.
func (q *Queue) copyOf(d *queue.Delivery, st *queue.Settlement) *message.Message {
	m := d.Message
	m.Headers = maps.Clone(m.Headers)
	if m.Headers == nil {
		m.Headers = map[string]string{}
	}
	delete(m.Headers, queue.HeaderReason)
	used := max(st.Attempt, d.Attempt-st.Uncounted)
	m.Headers[queue.HeaderAttempts] = strconv.Itoa(used)
	if st.Disposition == queue.Release {
		m.Headers[queue.HeaderAttempts] = strconv.Itoa(used - 1)
	}
	if st.Reason != "" {
		m.Headers[queue.HeaderReason] = cut(st.Reason, queue.MaxReason)
	}
	if st.Disposition == queue.DeadLetter {
		m.Headers[queue.HeaderQueue] = q.topic
		m.Headers[queue.HeaderDeadAt] = time.Now().UTC().Format(time.RFC3339Nano)
		st.Evidence.Headers(func(name, text string, most int) { m.Headers[name] = cut(text, most) })
	}
	return encode(m)
}

// cut returns the first limit bytes, without half a character at the end.
func cut(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	return strings.ToValidUTF8(text[:limit], "")
}
