package postgres

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/gentask/gentask/queue"
)

// complete fills in what a publisher must, and checks the message.
func complete(m queue.Message, unique time.Duration) (queue.Message, error) {
	if m.ID == "" {
		m.ID = rand.Text()
	}
	if m.Time.IsZero() {
		m.Time = time.Now()
	}
	if err := m.Check(); err != nil {
		return m, err
	}
	for _, f := range []struct{ name, value string }{{"ID", m.ID}, {"ContentType", m.ContentType}} {
		if !storable(f.value) {
			return m, fmt.Errorf("postgres: %w: Message.%s is %.80q, must be UTF-8 without NUL",
				queue.ErrConfig, f.name, f.value)
		}
	}
	for name := range m.Headers {
		if !storable(name) {
			return m, fmt.Errorf("postgres: %w: Message.Headers has the name %.80q, must be UTF-8 without NUL",
				queue.ErrConfig, name)
		}
	}
	if m.UniqueKey != "" && m.UniqueUntil == queue.UntilWindowEnds && unique == neverUnique {
		return m, fmt.Errorf(
			"postgres: %w: Message.UniqueKey is %.80q, and Config.Unique is -1: must be a window, or no key",
			queue.ErrUnsupported, m.UniqueKey)
	}
	return m, nil
}

// rows are messages as the arrays of a statement.
type rows struct {
	priority              []int16
	notBefore, published  []time.Time
	attempt               []int32
	id, contentType, head []string
	body, key, lock       [][]byte
}

// add appends a message, which is complete.
func (r *rows) add(m *queue.Message) {
	r.priority = append(r.priority, int16(m.Priority)) //nolint:gosec // 0 to 9
	r.notBefore = append(r.notBefore, queue.BoundTime(m.NotBefore))
	r.published = append(r.published, queue.BoundTime(m.Time))
	r.attempt = append(r.attempt, usedUp(m.Headers))
	r.id = append(r.id, m.ID)
	r.contentType = append(r.contentType, m.ContentType)
	r.head = append(r.head, encodeHeaders(m.Headers, m.Properties))
	r.body = append(r.body, append([]byte{}, m.Body...))
	r.key = append(r.key, windowKey(m))
	r.lock = append(r.lock, lockKey(m))
}

// windowKey returns what is stored of the key that m has until its window ends.
func windowKey(m *queue.Message) []byte {
	if m.UniqueUntil != queue.UntilWindowEnds {
		return []byte{}
	}
	return keyOf(m.UniqueKey)
}

// lockKey returns what is stored of the key that m has until it is done.
func lockKey(m *queue.Message) []byte {
	if m.UniqueUntil != queue.UntilDone {
		return []byte{}
	}
	return keyOf(m.UniqueKey)
}

// keyOf returns what is stored of a unique key: its hash, and no bytes for no key.
func keyOf(key string) []byte {
	if key == "" {
		return []byte{}
	}
	sum := sha256.Sum256([]byte(key))
	return sum[:]
}

// channelOf returns the channel of the notifications for a queue.
func channelOf(schema, name string) string {
	sum := sha256.Sum256([]byte(schema + "\x00" + name))
	return "gentask_" + hex.EncodeToString(sum[:8])
}

// binary is a header's value that is no text for PostgreSQL, as JSON.
type binary struct {
	Base64 string `json:"base64"`
}

// encodeHeaders returns headers and properties as a JSON object, and "" if there are none. Values
// may be any bytes; the names must be storable.
func encodeHeaders(headers map[string]string, properties *queue.Properties) string {
	all := make(map[string]any, len(headers))
	add := func(name, value string) {
		if storable(value) {
			all[name] = value
		} else {
			all[name] = binary{base64.StdEncoding.EncodeToString([]byte(value))}
		}
	}
	for name, value := range headers {
		add(name, value)
	}
	for name, value := range properties.Headers() {
		add(name, value)
	}
	if len(all) == 0 {
		return ""
	}
	text, err := json.Marshal(all)
	if err != nil {
		panic("postgres: strings as JSON: " + err.Error()) // json can encode all strings
	}
	return string(text)
}

// decodeHeaders reverses encodeHeaders. It reads any JSON that another program may have written,
// and leaves out what it can't read.
func decodeHeaders(text string) (map[string]string, *queue.Properties) {
	if text == "" {
		return nil, nil
	}
	var raw map[string]json.RawMessage
	if json.Unmarshal([]byte(text), &raw) != nil {
		return nil, nil
	}
	headers, properties := make(map[string]string, len(raw)), queue.Properties{}
	for name, one := range raw {
		value := decodeValue(one)
		if !properties.SetHeader(name, value) {
			headers[name] = value
		}
	}
	if len(headers) == 0 {
		headers = nil
	}
	return headers, properties.OrNil()
}

// decodeValue returns the text of a header. Numbers and the like become their JSON.
func decodeValue(raw json.RawMessage) string {
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return text
	}
	var data binary
	if json.Unmarshal(raw, &data) == nil && data.Base64 != "" {
		if value, err := base64.StdEncoding.DecodeString(data.Base64); err == nil {
			return string(value)
		}
	}
	return string(raw)
}

// usedUp returns the attempts that were used up before this copy of a message was published.
func usedUp(headers map[string]string) int32 {
	n, _ := queue.UsedUp(headers)
	return bound(int64(n))
}

// bound limits a counter, which any program may have written, so that adding to it does not
// overflow.
func bound(n int64) int32 { return int32(max(0, min(n, queue.MaxCount))) } //nolint:gosec // bounded

// reasonHeader returns the headers to add to a message that is given back, and "" for none.
func reasonHeader(st *queue.Settlement) string {
	if st.Reason == "" || st.Disposition != queue.Requeue {
		return ""
	}
	return encodeHeaders(map[string]string{queue.HeaderReason: cut(st.Reason, queue.MaxReason)}, nil)
}

// letterHeaders returns the headers to add to a dead letter.
func letterHeaders(st *queue.Settlement, name string) string {
	headers := map[string]string{
		queue.HeaderAttempts: strconv.Itoa(st.Attempts()),
		queue.HeaderQueue:    name,
		queue.HeaderDeadAt:   time.Now().UTC().Format(time.RFC3339Nano),
	}
	if st.Reason != "" {
		headers[queue.HeaderReason] = cut(st.Reason, queue.MaxReason)
	}
	st.Evidence.Headers(func(name, text string, most int) { headers[name] = cut(text, most) })
	return encodeHeaders(headers, nil)
}

// cut returns the first n bytes of text.
func cut(text string, n int) string { return text[:min(n, len(text))] }
