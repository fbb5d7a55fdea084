package nats

import (
	"crypto/rand"
	"net/url"
	"strings"
	"time"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/gentask/gentask/queue"
)

// Headers that carry the fields of a message.
const (
	headerID          = "gentask-id" // where Nats-Msg-Id must be another
	headerTime        = "gentask-time"
	headerNotBefore   = "gentask-not-before"
	headerContentType = "Content-Type"

	// escaped is the prefix of a header whose name or value the wire would change, or that would
	// mean something to the server or to this driver. The rest of its name, and its value, are
	// query-escaped.
	escaped = "gentask-esc-"

	serverPrefix = "Nats-"
)

// complete fills in the fields that the publisher left empty.
func complete(m queue.Message) queue.Message {
	if m.ID == "" {
		m.ID = rand.Text()
	}
	now := time.Now()
	if m.Time.IsZero() {
		m.Time = now
	}
	if !m.NotBefore.After(now) {
		m.NotBefore = time.Time{}
	}
	return m
}

// encode returns the message for the wire. The server stores it once for each dedup within its
// duplicate window, and always if dedup is empty.
func encode(subject, dedup string, m queue.Message) *natsgo.Msg {
	h := make(natsgo.Header, len(m.Headers)+4)
	for name, value := range m.Headers {
		putUser(h, name, value)
	}
	if dedup != "" && plainValue(dedup) {
		h[jetstream.MsgIDHeader] = []string{dedup}
	} else if dedup != "" {
		h[jetstream.MsgIDHeader] = []string{url.QueryEscape(dedup)}
	}
	if h.Get(jetstream.MsgIDHeader) != m.ID {
		put(h, headerID, m.ID)
	}
	if m.ContentType != "" {
		put(h, headerContentType, m.ContentType)
	}
	putProperties(h, m.Properties)
	put(h, headerTime, stamp(m.Time))
	if !m.NotBefore.IsZero() {
		put(h, headerNotBefore, stamp(m.NotBefore))
	}
	return &natsgo.Msg{Subject: subject, Header: h, Data: m.Body}
}

// stamp formats t for a header.
func stamp(t time.Time) string { return queue.BoundTime(t).Format(time.RFC3339Nano) }

// put writes one header so that it arrives unchanged.
func put(h natsgo.Header, name, value string) {
	if plainName(name) && plainValue(value) {
		h[name] = []string{value}
		return
	}
	h[escaped+url.QueryEscape(name)] = []string{url.QueryEscape(value)}
	putFirstLine(h, name, value)
}

// putUser writes a header of the user, so that it is neither a field of this driver nor an
// instruction to the server, under any name.
func putUser(h natsgo.Header, name, value string) {
	if reserved(name) {
		h[escaped+url.QueryEscape("."+name)] = []string{url.QueryEscape(value)}
		return
	}
	put(h, name, value)
}

// reserved reports whether a header of that name has another meaning.
func reserved(name string) bool {
	lower := strings.ToLower(name)
	return name == headerID || name == headerTime || name == headerNotBefore || name == headerContentType ||
		name == headerSubject || strings.HasPrefix(name, ".") || isProperty(name) ||
		strings.HasPrefix(lower, "nats-") || strings.HasPrefix(lower, escaped)
}

// plainName reports whether the client writes a header of that name. It silently drops names that
// are no HTTP tokens.
func plainName(name string) bool {
	for i := range len(name) {
		c := name[i]
		if c <= ' ' || c >= 0x7f || strings.IndexByte(`"(),/:;<=>?@[\]{}`, c) >= 0 {
			return false
		}
	}
	return name != ""
}

// plainValue reports whether a value arrives unchanged: line breaks become spaces, and white space
// at the ends is cut.
func plainValue(value string) bool {
	return !strings.ContainsAny(value, "\r\n") && strings.Trim(value, " \t") == value
}

// decode returns the message that was received. A foreign message without an id gets fallback, and
// stored as its time. A header that comes several times is one with all values, as in HTTP.
func decode(h natsgo.Header, body []byte, fallback string, stored time.Time) queue.Message {
	r := reading{m: queue.Message{ID: fallback, Body: body, Time: stored}, most: len(h)}
	if id := h.Get(jetstream.MsgIDHeader); id != "" {
		r.m.ID = id
	}
	if text := h.Get(headerTTL); text != "" {
		r.properties.Expiration = ttl(text)
	}
	again := false
	for name, values := range h {
		switch {
		case len(values) == 0 || strings.HasPrefix(name, serverPrefix):
		case strings.HasPrefix(name, escaped):
			again = true
		default:
			r.set(name, values, false)
		}
	}
	for name, values := range h { // an escaped header is whole, and counts more than a plain one
		if again && len(values) > 0 && strings.HasPrefix(name, escaped) {
			name, value, user := unescape(name, values[0])
			r.set(name, []string{value}, user)
		}
	}
	return r.message()
}

// reading is a message that is being decoded.
type reading struct {
	m          queue.Message
	properties queue.Properties
	own        bool // written by this driver
	most       int  // the most headers
}

// set sets the field that the header is for, or else the header. user means that the header must be
// the user's.
func (r *reading) set(name string, values []string, user bool) {
	if !user && (setField(&r.m, name, values[0]) || r.properties.SetHeader(name, values[0])) {
		r.own = r.own || name == headerTime
		return
	}
	if r.m.Headers == nil {
		r.m.Headers = make(map[string]string, r.most)
	}
	if strings.HasPrefix(name, "gentask-") {
		values = values[:1]
	}
	r.m.Headers[name] = strings.Join(values, ", ")
}

// message returns the message when all headers are set.
func (r *reading) message() queue.Message {
	r.m.Properties = r.properties.OrNil()
	if r.m.ContentType == "" && !r.own {
		r.m.ContentType = typeOf(r.m.Headers)
	}
	return r.m
}

// setField reports whether the header is a field of m, and sets it.
func setField(m *queue.Message, name, value string) bool {
	switch name {
	case headerSubject: // see subject.go
	case headerID:
		m.ID = value
	case headerContentType:
		m.ContentType = value
	case headerTime:
		if t, err := time.Parse(time.RFC3339Nano, value); err == nil {
			m.Time = t
		}
	case headerNotBefore:
		if t, err := time.Parse(time.RFC3339Nano, value); err == nil {
			m.NotBefore = t
		}
	default:
		return false
	}
	return true
}

// unescape reverses put and putUser, and reports whether the header must be the user's.
func unescape(name, value string) (string, string, bool) {
	rest, ok := strings.CutPrefix(name, escaped)
	if !ok {
		return name, value, false
	}
	plain, err := url.QueryUnescape(rest)
	if err != nil {
		return name, value, true // not written by this driver
	}
	if text, err := url.QueryUnescape(value); err == nil {
		value = text
	}
	plain, user := strings.CutPrefix(plain, ".")
	return plain, value, user
}
