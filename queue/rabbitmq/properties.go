package rabbitmq

import (
	"fmt"
	"strings"

	"github.com/gentask/gentask/queue"
	amqp "github.com/rabbitmq/amqp091-go"
)

// records returns the headers of properties that AMQP has no place for in a copy: a copy is
// published to its queue through the default exchange, and without a time to live.
func records() [3]string {
	return [...]string{queue.HeaderExpiration, queue.HeaderSubject, queue.HeaderExchange}
}

// isRecord reports whether a header is in Message.Properties, and not in Message.Headers.
func isRecord(name string) bool {
	return name == queue.HeaderExpiration || name == queue.HeaderSubject || name == queue.HeaderExchange
}

// properties returns the properties of raw, and nil if there are none. Exchange and routing key of
// the delivery itself count more than those in its headers, which any program can write.
func properties(raw *amqp.Delivery) *queue.Properties {
	p := queue.Properties{
		CorrelationID: raw.CorrelationId, ReplyTo: raw.ReplyTo, Type: raw.Type, AppID: raw.AppId,
	}
	if len(raw.Headers) > 0 {
		for _, name := range records() {
			if value, found := raw.Headers[name]; found {
				p.SetHeader(name, text(value))
			}
		}
	}
	if raw.Expiration != "" {
		p.Expiration = queue.ParseExpiration(raw.Expiration)
	}
	if raw.Exchange != amqp.DefaultExchange {
		p.Exchange, p.Subject = raw.Exchange, raw.RoutingKey
	}
	return p.OrNil()
}

// record writes the properties that need a header, and removes the headers of those that are not
// set.
func record(headers amqp.Table, p *queue.Properties) {
	for _, name := range records() {
		delete(headers, name)
	}
	for name, value := range p.Headers() {
		if isRecord(name) {
			headers[name] = value
		}
	}
}

// setFields writes the properties that AMQP has a field for.
func setFields(msg *amqp.Publishing, p *queue.Properties) {
	if p != nil {
		msg.CorrelationId, msg.ReplyTo, msg.Type, msg.AppId = p.CorrelationID, p.ReplyTo, p.Type, p.AppID
	}
}

// checkShort returns an error that names the first field that does not fit a short string of the
// protocol.
func checkShort(msg *amqp.Publishing) error {
	for _, f := range []struct{ name, value string }{
		{"Message.ID", msg.MessageId},
		{"Message.ContentType", msg.ContentType},
		{"Message.Properties.CorrelationID", msg.CorrelationId},
		{"Message.Properties.ReplyTo", msg.ReplyTo},
		{"Message.Properties.Type", msg.Type},
		{"Message.Properties.AppID", msg.AppId},
	} {
		if n := len(f.value); n > maxShort {
			return badConfig(f.name, fmt.Sprintf("%d bytes", n), "255 at most")
		}
	}
	return nil
}

// compression returns the name of a compression, in lower case, and "" for a text that is none. The
// property content_encoding also has the names of charsets, such as utf-8, which mean nothing to a
// decoder of the whole body.
func compression(encoding string) string {
	name := strings.ToLower(strings.TrimSpace(encoding))
	switch name {
	case "gzip", "x-gzip", "deflate", "zlib", "zstd", "br", "brotli", "compress", "x-compress", "bzip2", "lz4",
		"lzma", "snappy", "xz":
		return name
	}
	return ""
}

// withEncoding returns headers with the compression that the property content_encoding names. A
// header of the message itself counts more, because both are written by this driver.
func withEncoding(headers map[string]string, property string) map[string]string {
	name := compression(property)
	if name == "" || compression(headers[queue.HeaderEncoding]) != "" {
		return headers
	}
	if headers == nil {
		headers = make(map[string]string, 1)
	}
	headers[queue.HeaderEncoding] = name
	return headers
}
