package rabbitmq

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/gentask/gentask/queue"
	amqp "github.com/rabbitmq/amqp091-go"
)

const (
	// headerMillis holds the time of publishing in milliseconds, as usual with RabbitMQ, because
	// AMQP's own timestamp has seconds.
	headerMillis = "timestamp_in_ms"

	// headerNotBefore of a delayed message holds the end of its delay. The message comes too early
	// if that is longer than a queue can keep it, or if an operator's policy shortens it.
	headerNotBefore = "gentask-not-before"

	// headerCount holds a quorum queue's count of the returns of this copy of the message. From
	// RabbitMQ 4.3 on, it counts only those after a failure: see headerAcquired.
	headerCount = "x-delivery-count"
)

// message returns the user's view of raw. Headers of a foreign publisher are converted to text.
func message(raw *amqp.Delivery, by scale) queue.Message {
	return queue.Message{
		ID: raw.MessageId, Body: raw.Body, ContentType: raw.ContentType,
		Headers:  withEncoding(texts(raw.Headers), raw.ContentEncoding),
		Time:     published(raw),
		Priority: by.priority(raw.Priority), Properties: properties(raw),
	}
}

// texts returns headers as text, and nil for none. It omits those that are in other fields of a
// Message.
func texts(headers amqp.Table) map[string]string {
	var all map[string]string
	for name, value := range headers {
		if name == headerMillis || name == headerNotBefore || isRecord(name) {
			continue
		}
		if all == nil {
			all = make(map[string]string, len(headers))
		}
		all[name] = text(value)
	}
	return all
}

// text converts a header's value to text: bytes that are no text to base64, times to RFC 3339,
// tables and arrays to JSON.
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
		if list, ok := v.([]any); ok && len(list) == 0 {
			return "[]" // both clients read it as nil
		}
		if doc, err := json.Marshal(v); err == nil {
			return string(doc)
		}
	}
	return fmt.Sprint(value)
}

// skew is how much too early a message may come, because the clocks of two machines differ.
const skew = time.Second

// dueText returns the value of headerNotBefore.
func dueText(due time.Time) string { return due.UTC().Format(time.RFC3339Nano) }

// early returns the end of the delay of a message that comes too early, and zero for others.
func early(headers amqp.Table) time.Time {
	value, ok := headers[headerNotBefore].(string)
	if !ok {
		return time.Time{}
	}
	due, err := time.Parse(time.RFC3339Nano, value)
	if err != nil || time.Until(due) <= skew {
		return time.Time{}
	}
	return due
}

// published returns the time of publishing of raw: the milliseconds if they match the timestamp,
// else its seconds.
func published(raw *amqp.Delivery) time.Time {
	ms, ok := raw.Headers[headerMillis].(int64)
	if exact := time.UnixMilli(ms); ok && exact.Unix() == raw.Timestamp.Unix() {
		return exact
	}
	return raw.Timestamp
}

// usedUp returns the attempts that were used up before this delivery: those of our header, and
// those that the broker has counted since the message was published.
func usedUp(raw *amqp.Delivery, by tally) int {
	return min(count(raw.Headers[queue.HeaderAttempts])+by.lost(raw), queue.MaxCount)
}

// count reads a counter that any program may have written.
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
		n, _ := queue.ParseCount(v)
		return n
	}
	return 0
}

func clamp(n int64) int { return int(max(0, min(n, queue.MaxCount))) }

// isCopy reports whether this driver published the message as a copy of one that was delivered
// before.
func isCopy(headers amqp.Table) bool {
	_, found := headers[queue.HeaderAttempts]
	return found
}

// size returns the size of headers on the wire.
func size(headers amqp.Table) int {
	n := 4
	for name, value := range headers {
		n += 1 + len(name) + sizeOf(value)
	}
	return n
}

// sizeOf returns the size of one value on the wire, including its type.
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
