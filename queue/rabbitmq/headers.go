package rabbitmq

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/gentask/gentask/queue"
	amqp "github.com/rabbitmq/amqp091-go"
)

const (
	// headerMillis is where the time of publishing travels in milliseconds, as it does elsewhere at RabbitMQ: AMQP's own timestamp has seconds.
	headerMillis = "timestamp_in_ms"

	// headerNotBefore is where a copy says for how long it should be put off, if that is longer than a queue can keep it.
	headerNotBefore = "gentask-not-before"

	// headerCount is where a quorum queue counts how often this copy of the message was returned.
	headerCount = "x-delivery-count"

	// maxAttempts bounds what is believed of a counter, so that sums of them do not overflow.
	maxAttempts = math.MaxInt32 / 4
)

// message is what a user sees of raw. Whatever a foreign publisher has put into the headers, it becomes text, and its priority no more than the
// queue has, for the rest has no effect.
func message(raw *amqp.Delivery, maxPriority int) queue.Message {
	return queue.Message{
		ID: raw.MessageId, Body: raw.Body, Headers: texts(raw.Headers), ContentType: raw.ContentType, Time: published(raw),
		Priority: min(int(raw.Priority), maxPriority),
	}
}

// texts returns headers as text, nil for none. The time in milliseconds is left out: Message.Time has it.
func texts(headers amqp.Table) map[string]string {
	var all map[string]string
	for name, value := range headers {
		if name == headerMillis || name == headerNotBefore {
			continue
		}
		if all == nil {
			all = make(map[string]string, len(headers))
		}
		all[name] = text(value)
	}
	return all
}

// text returns a header's value as a user would write it: bytes that are no text in base64, times in RFC 3339, tables and arrays in JSON.
func text(value any) string {
	switch v := value.(type) {
	case string:
		return v
	case []byte:
		if utf8.Valid(v) {
			return string(v)
		}
		return base64.StdEncoding.EncodeToString(v)
	case nil:
		return ""
	case time.Time:
		return v.UTC().Format(time.RFC3339Nano)
	case amqp.Decimal:
		return fmt.Sprintf("%de-%d", v.Value, v.Scale)
	case amqp.Table, []any:
		if doc, err := json.Marshal(v); err == nil {
			return string(doc)
		}
	}
	return fmt.Sprint(value)
}

// early returns until when a message that comes too early is to be put off again; zero if it isn't.
func early(headers amqp.Table) time.Time {
	value, ok := headers[headerNotBefore].(string)
	if !ok {
		return time.Time{}
	}
	due, err := time.Parse(time.RFC3339Nano, value)
	if err != nil || !due.After(time.Now()) {
		return time.Time{}
	}
	return due
}

// published is when raw was published: the milliseconds where they belong to the timestamp, else its seconds.
func published(raw *amqp.Delivery) time.Time {
	ms, ok := raw.Headers[headerMillis].(int64)
	if exact := time.UnixMilli(ms); ok && exact.Unix() == raw.Timestamp.Unix() {
		return exact
	}
	return raw.Timestamp
}

// usedUp is how many attempts were used up before this delivery: those that our header brings along, and those that the broker has counted since
// the message was published. strict says that the queue is a quorum queue, which tells when it has counted.
func usedUp(raw *amqp.Delivery, strict bool) int {
	used := count(raw.Headers[queue.HeaderAttempts])
	if !raw.Redelivered {
		return used // A counter of the broker's in a first delivery would be the publisher's invention.
	}
	counted, ok := raw.Headers[headerCount]
	switch {
	case ok:
		used += count(counted)
	case !strict:
		used++
	}
	return min(used, maxAttempts)
}

// count reads a counter that anybody may have written.
func count(value any) int {
	switch v := value.(type) {
	case int64:
		return clamp(v)
	case int32:
		return clamp(int64(v))
	case int16:
		return clamp(int64(v))
	case int8:
		return clamp(int64(v))
	case uint8:
		return clamp(int64(v))
	case string:
		n, err := strconv.ParseInt(v, 10, 64)
		if err != nil && !errors.Is(err, strconv.ErrRange) {
			return 0
		}
		return clamp(n) // Out of range: the nearest number.
	}
	return 0
}

func clamp(n int64) int { return int(max(0, min(n, maxAttempts))) }

// isCopy says that this driver published the message as a copy of one that was delivered before.
func isCopy(headers amqp.Table) bool {
	_, found := headers[queue.HeaderAttempts]
	return found
}

// size is how many bytes headers take on the wire.
func size(headers amqp.Table) int {
	n := 4
	for name, value := range headers {
		n += 1 + len(name) + sizeOf(value)
	}
	return n
}

// sizeOf is how many bytes one value takes on the wire, its type included.
func sizeOf(value any) int {
	switch v := value.(type) {
	case nil:
		return 1
	case bool, byte, int8:
		return 2
	case int16, uint16:
		return 3
	case int, int32, uint32, float32:
		return 5
	case amqp.Decimal:
		return 6
	case string:
		return 5 + len(v)
	case []byte:
		return 5 + len(v)
	case amqp.Table:
		return 1 + size(v)
	case []any:
		n := 5
		for _, one := range v {
			n += sizeOf(one)
		}
		return n
	}
	return 9 // int64, float64, time.Time
}
