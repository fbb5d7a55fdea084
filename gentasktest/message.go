package gentasktest

import (
	"encoding/json"
	"maps"
	"strconv"

	"github.com/gentask/gentask/queue"
)

// JSON returns a message with payload as its body, in JSON, as gentask.DecodeJSON expects it. A
// []byte and a string are the body as they are. A payload that can't be marshalled ends the test.
func JSON(t TB, payload any) queue.Message {
	t.Helper()
	switch body := payload.(type) {
	case []byte:
		return queue.Message{Body: body}
	case string:
		return queue.Message{Body: []byte(body)}
	}
	body, err := json.Marshal(payload)
	if err != nil {
		t.Fatalf("gentasktest: payload is a %T: %v; want one that encoding/json can marshal", payload, err)
	}
	return queue.Message{Body: body, ContentType: "application/json"}
}

// Attempt returns msg as it is after n-1 failed attempts: its first delivery is attempt n, and
// redelivered. n below 1 means 1.
func Attempt(msg queue.Message, n int) queue.Message {
	msg.Headers = maps.Clone(msg.Headers)
	if msg.Headers == nil {
		msg.Headers = map[string]string{}
	}
	msg.Headers[queue.HeaderAttempts] = strconv.Itoa(max(n-1, 0))
	return msg
}
