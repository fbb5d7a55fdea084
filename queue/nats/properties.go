package nats

import (
	"strconv"
	"strings"
	"time"

	natsgo "github.com/nats-io/nats.go"

	"github.com/gentask/gentask/queue"
)

// headerTTL holds the time after which the server itself deletes a message. Copies do not have it.
const headerTTL = "Nats-TTL"

// putProperties writes the headers of the properties.
func putProperties(h natsgo.Header, p *queue.Properties) {
	for name, value := range p.Headers() {
		put(h, name, value)
	}
}

// isProperty reports whether a header of that name is in Message.Properties.
func isProperty(name string) bool { return new(queue.Properties).SetHeader(name, "") }

// ttl returns the expiration in a header of the server: seconds, or a duration. It returns zero for
// a message that never expires.
func ttl(text string) time.Duration {
	if seconds, err := strconv.ParseUint(text, 10, 32); err == nil {
		return time.Duration(seconds) * time.Second
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 {
		return 0
	}
	return d
}

// reached returns p with the subject with which a message has reached the queue called name. The
// header of a copy counts only if the copy came with the queue's own name, as copies do, because
// any program can write it.
func reached(p *queue.Properties, subject, name string) *queue.Properties {
	if subject == "" || subject == name {
		return p
	}
	var all queue.Properties
	if p != nil {
		all = *p
	}
	all.Subject = subject
	return &all
}

// typeOf returns the content type in a header of another case, which other programs write.
func typeOf(headers map[string]string) string {
	for name, value := range headers {
		if strings.EqualFold(name, headerContentType) {
			return value
		}
	}
	return ""
}

// putFirstLine writes the first line of a reason as it is, beside the whole reason, which is
// escaped: other programs can read it.
func putFirstLine(h natsgo.Header, name, value string) {
	if name != queue.HeaderReason {
		return
	}
	for line := range strings.FieldsFuncSeq(value, func(r rune) bool { return r == '\r' || r == '\n' }) {
		if line = strings.Trim(line, " \t"); line != "" {
			h[name] = []string{line}
			return
		}
	}
}
