package rabbitmq

import (
	"bytes"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/gentask/gentask/internal/brokertest"
	"github.com/gentask/gentask/queue"
	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"
)

func TestHeadersBecomeText(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.FixedZone("", 3600))
	for name, tc := range map[string]struct {
		value any
		want  string
	}{
		"string":  {"é", "é"},
		"int":     {int32(-7), "-7"},
		"long":    {int64(math.MaxInt64), "9223372036854775807"},
		"float":   {1.5, "1.5"},
		"nan":     {math.NaN(), "NaN"},
		"bool":    {true, "true"},
		"nothing": {nil, ""},
		"time":    {at, "2026-01-02T02:04:05Z"},
		"text":    {[]byte("abc"), "abc"},
		"bytes":   {[]byte{0xff, 0}, "/wA="},
		"decimal": {amqp.Decimal{Scale: 2, Value: 314}, "314e-2"},
		"table":   {amqp.Table{"a": int32(1), "b": "x"}, `{"a":1,"b":"x"}`},
		"array":   {[]any{"a", int32(1), false}, `["a",1,false]`},
		"empty":   {[]any(nil), "[]"},
		"no JSON": {[]any{math.Inf(1)}, "[+Inf]"},
	} {
		t.Run(name, func(t *testing.T) { require.Equal(t, tc.want, text(tc.value)) })
	}
}

func TestAttemptsAreCountedAndClamped(t *testing.T) {
	for name, tc := range map[string]struct {
		header, counted any
		redelivered     bool
		by              tally
		want            int
	}{
		"first":                     {nil, nil, false, tallyReturns, 0},
		"copy":                      {"3", nil, false, tallyReturns, 3},
		"copy that was lost twice":  {"3", int64(2), true, tallyReturns, 5},
		"classic, lost":             {"3", nil, true, tallyMark, 4},
		"unknown, lost":             {"3", nil, true, tallyUnknown, 4},
		"quorum, returned for free": {"3", nil, true, tallyReturns, 3},
		"negative":                  {"-5", int64(-9), true, tallyReturns, 0},
		"overflowing":               {strings.Repeat("9", 40), int64(math.MaxInt64), true, tallyReturns, queue.MaxCount},
		"underflowing":              {"-" + strings.Repeat("9", 40), nil, false, tallyReturns, 0},
		"no number":                 {"many", nil, false, tallyReturns, 0},
		"a number":                  {int16(2), nil, false, tallyReturns, 2},
		"a table":                   {amqp.Table{"n": "1"}, amqp.Table{}, true, tallyReturns, 0},
		"invented by a publisher":   {nil, int64(19), false, tallyReturns, 0},
		"invented, classic, lost":   {nil, int64(19), true, tallyMark, 1},
	} {
		t.Run(name, func(t *testing.T) {
			raw := &amqp.Delivery{Headers: amqp.Table{}, Redelivered: tc.redelivered}
			if tc.header != nil {
				raw.Headers[queue.HeaderAttempts] = tc.header
			}
			if tc.counted != nil {
				raw.Headers[headerCount] = tc.counted
			}
			require.Equal(t, tc.want, usedUp(raw, tc.by))
		})
	}
}

// FuzzHeaders: whatever a publisher writes into the driver's headers, the attempt is at least 1,
// and the copies can go over the wire.
func FuzzHeaders(f *testing.F) {
	f.Add("3", int64(2), []byte{0xff}, "x", int64(1700000000123), true)
	f.Add("-99999999999999999999", int64(math.MinInt64), []byte(nil), "", int64(math.MaxInt64), false)
	f.Fuzz(func(t *testing.T, attempts string, counted int64, blob []byte, reason string, ms int64, redelivered bool) {
		raw := amqp.Delivery{Redelivered: redelivered, Body: blob, Headers: amqp.Table{
			queue.HeaderAttempts: attempts, headerCount: counted, queue.HeaderReason: blob, headerMillis: ms,
			"x-death": []any{amqp.Table{"reason": reason}}, reason: counted, "CC": []any{"others"},
		}}
		for by := tallyUnknown; by <= tallyBounded; by++ {
			used := usedUp(&raw, by)
			require.GreaterOrEqual(t, used, 0)
			require.LessOrEqual(t, used, queue.MaxCount)
			h := &held{raw: &raw, Delivery: queue.Delivery{Message: message(&raw, scale{}), Attempt: used + 1}}
			st := &queue.Settlement{
				Delivery: &h.Delivery, Reason: reason, Evidence: &queue.Evidence{Stack: strings.Repeat(reason, 9)},
			}
			later := &queue.Settlement{Delivery: &h.Delivery, After: time.Second}
			for _, msg := range []amqp.Publishing{h.again(st), h.released(st), h.released(later), h.letter(st, "q")} {
				require.NoError(t, msg.Headers.Validate())
				require.NotContains(t, msg.Headers, "CC")
				require.NotContains(t, msg.Headers, "x-death")
				again := &amqp.Delivery{Headers: msg.Headers}
				require.InDelta(t, used, usedUp(again, by), 1)
				require.True(t, bytes.Equal(blob, msg.Body))
			}
		}
	})
}

// TestForgedHeadersOverTheWire: the same with the real broker between, every type that it can
// carry, and forged counters.
func TestForgedHeadersOverTheWire(t *testing.T) {
	user, err := amqp.ParseURI(brokertest.RabbitMQ(t))
	require.NoError(t, err)
	for _, kind := range []QueueType{Quorum, Classic} {
		t.Run(string(kind), func(t *testing.T) {
			q := newQueue(t, Config{Type: kind})
			s := open(t, q, 1)
			sent := amqp.Table{
				queue.HeaderAttempts: amqp.Table{"a": []any{int32(1)}}, headerCount: int64(-1 << 60),
				headerMillis: "soon",
				"int":        int32(7), "flag": true, "none": nil, "bytes": []byte{0xff}, "list": []any{"a", int64(2)},
				"at": time.Unix(0, 0),
			}
			foreign(t, func(ch *amqp.Channel) {
				require.NoError(t, ch.PublishWithContext(t.Context(), "", q.name, true, false, amqp.Publishing{
					Headers: sent, Body: []byte("x"), Expiration: "60000", UserId: user.Username, Priority: 3,
					Type: "job", CorrelationId: "c",
				}))
			})
			for attempt := 1; attempt <= 3; attempt++ {
				d := receive(t, s)
				require.Equal(t, attempt, d.Attempt)
				require.NotEmpty(t, d.ID)
				require.Equal(t, "7", d.Headers["int"])
				require.Equal(t, `["a",2]`, d.Headers["list"])
				raw := s.original(d)
				require.Equal(t, []any{uint8(3), "job", "c"}, []any{raw.Priority, raw.Type, raw.CorrelationId})
				require.Equal(t, int32(7), raw.Headers["int"], "a copy keeps the types")
				require.NoError(t, s.Settle(t.Context(), []queue.Settlement{{Delivery: d, Disposition: queue.Requeue}}))
			}
		})
	}
}

func TestTimeKeepsItsMilliseconds(t *testing.T) {
	q := newQueue(t, Config{Type: Classic})
	at := time.UnixMilli(1_700_000_000_123)
	s := open(t, q, 1)
	for _, headers := range []map[string]string{nil, {"a": "b"}} {
		require.NoError(t, q.Publish(t.Context(), queue.Message{Time: at, Headers: headers}))
		d := receive(t, s)
		require.True(t, at.Equal(d.Time), "%v", d.Time)
		require.Equal(t, headers, d.Headers)
		require.NoError(t, s.Settle(t.Context(), []queue.Settlement{{Delivery: d, Disposition: queue.Requeue}}))
		d = receive(t, s)
		require.True(t, at.Equal(d.Time), "%v, in a copy", d.Time)
		require.NoError(t, s.Settle(t.Context(), []queue.Settlement{{Delivery: d, Disposition: queue.Ack}}))
	}
}

// TestHeadersThatFillTheFrame: a dead letter whose original has headers as large as a frame takes
// is kept all the same, with a shorter stack.
func TestHeadersThatFillTheFrame(t *testing.T) {
	q := newQueue(t, Config{Type: Classic})
	fill := strings.Repeat("x", maxHeaders-1024)
	require.NoError(t, q.Publish(t.Context(), queue.Message{ID: "full", Headers: map[string]string{"fill": fill}}))
	err := q.Publish(t.Context(), queue.Message{ID: "over", Headers: map[string]string{"fill": fill + fill}},
		queue.Message{ID: "fine"})
	require.ErrorIs(t, err, queue.ErrConfig)
	require.ErrorContains(t, err, `1 not confirmed: message "over"`)
	s := open(t, q, 1)
	letter := queue.Settlement{
		Delivery: receive(t, s), Disposition: queue.DeadLetter, Reason: "why",
		Evidence: &queue.Evidence{Stack: strings.Repeat("s", queue.MaxStack)},
	}
	require.NoError(t, s.Settle(t.Context(), []queue.Settlement{letter}))
	require.Equal(t, "fine", receive(t, s).ID)
	letters, err := q.DeadLetters(t.Context(), 10)
	require.NoError(t, err)
	require.Len(t, letters, 1)
	require.Equal(t, "why", letters[0].Headers[queue.HeaderReason])
	require.Equal(t, fill, letters[0].Headers["fill"])
	require.Less(t, len(letters[0].Headers[queue.HeaderStack]), 1024)
}
