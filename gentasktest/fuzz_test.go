package gentasktest_test

import (
	"context"
	"encoding/json"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/gentasktest"
	"github.com/gentask/gentask/queue"
)

// order has a field of each kind that JSON decodes into in its own way.
type order struct {
	ID    int8              `json:"id"`
	Total *float32          `json:"total"`
	Items []order           `json:"items"`
	Tags  map[string]string `json:"tags"`
	Any   any               `json:"any"`
	Raw   json.RawMessage   `json:"raw"`
	Blob  []byte            `json:"blob"`
}

// FuzzPayload takes a stranger's message through the production path. A body that DecodeJSON can
// decode is run and acknowledged, any other is dead-lettered with a DecodeError. A forged counter
// with too many attempts is dead-lettered without a run.
func FuzzPayload(f *testing.F) {
	for _, body := range []string{
		``, `null`, `{}`, `{"id":1}`, `{"id":1e3}`, `{"id":"1"}`, `{"items":[{"items":[{}]}]}`, `[]`, `{"total":1e999}`,
		"{\"tags\":{\"\xff\":\"\xfe\"}}",
		`{"any":[[[[{"a":1}]]]]}`, `{"raw":}`, `{"blob":"!"}`, `{"blob":"AAAA"}`,
		"\x00", "\xef\xbb\xbf{}", `{} {}`, `{"id":127,"ID":-129}`,
	} {
		f.Add(body, "application/json", "")
	}
	f.Add(`{}`, "text/plain; charset=\xff", "9223372036854775807")
	f.Add(`{}`, "", "-99999999999999999999")
	f.Fuzz(func(t *testing.T, body, contentType, attempts string) {
		runs := 0
		behavior := gentask.Handle(func(context.Context, order) error { runs++; return nil })
		headers := map[string]string{queue.HeaderAttempts: attempts}
		msg := queue.Message{Body: []byte(body), ContentType: contentType, Headers: headers}
		got := gentasktest.Run(t, behavior, msg, gentask.Config{})
		require.GreaterOrEqual(t, got.Attempt, 1)
		if got.Disposition == queue.Ack {
			require.Equal(t, 1, runs)
			require.NoError(t, gentask.DecodeJSON(&msg, new(order)))
			return
		}
		require.Equal(t, queue.DeadLetter, got.Disposition)
		require.Zero(t, runs)
		var undecodable *gentask.DecodeError
		require.True(t, errors.As(got.Reason, &undecodable) || got.Attempt > 20, "%v", got.Reason)
	})
}
