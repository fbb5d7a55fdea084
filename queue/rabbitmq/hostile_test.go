package rabbitmq

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/queue"
	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"
)

// fullFrame is the size of the headers that fit a frame of 128 KiB beside its own 8 bytes, 14 of
// the properties, and a little that the broker adds when it delivers again.
const fullFrame = 128<<10 - 8 - 14 - 128

// hostile returns messages as another program's client can send them. A header frame takes 128 KiB;
// the body goes in frames of its own.
func hostile() map[string]amqp.Publishing {
	tiny := amqp.Table{}
	for i := range fullFrame / 18 { // fewer than the 8,192 that the client reads
		tiny[fmt.Sprintf("%015d", i)] = true
	}
	one, long := []byte(`1`), strings.Repeat("x", 255)
	return map[string]amqp.Publishing{
		"a header that fills the frame": {Headers: amqp.Table{"big": strings.Repeat("x", fullFrame-4-9)}, Body: one},
		"tiny headers that fill it":     {Headers: tiny, Body: one},
		"the same, and it fails":        {Headers: tiny, Body: []byte(`{`)},
		"attempts that fill it": {Headers: amqp.Table{queue.HeaderAttempts: strings.Repeat("9",
			fullFrame-4-22)}, Body: []byte(`{`)},
		"a reason that fills it": {
			Headers: amqp.Table{queue.HeaderReason: strings.Repeat("9", fullFrame-4-20)},
			Body:    []byte(`{`),
		},
		"a body of 10 MiB":  {Body: bytes.Repeat([]byte("["), 10<<20)},
		"negative attempts": {Headers: amqp.Table{queue.HeaderAttempts: int64(math.MinInt64)}, Body: one},
		"attempts that overflow": {Headers: amqp.Table{
			queue.HeaderAttempts: int64(math.MaxInt64),
			headerCount:          int64(1 << 62),
		}, Body: one},
		"attempts beyond a number": {
			Headers: amqp.Table{queue.HeaderAttempts: strings.Repeat("9", 1000)},
			Body:    one,
		},
		"attempts that are a table": {
			Headers: amqp.Table{queue.HeaderAttempts: amqp.Table{"a": []any{nil}}},
			Body:    one,
		},
		"attempts that are no number": {Headers: amqp.Table{queue.HeaderAttempts: 1.5}, Body: one},
		"a forged x-death": {
			Headers: amqp.Table{"x-death": []any{amqp.Table{"count": "many"}, nil, "x"}},
			Body:    []byte(`{`),
		},
		"an x-death that is none": {Headers: amqp.Table{"x-first-death-queue": []byte{0xff}}, Body: []byte(`{`)},
		"no UTF-8": {
			Headers: amqp.Table{"\xff": []byte{0xc3, 0x28}}, ContentType: "\xff",
			Body: []byte("\xff"),
		},
		"long names": {MessageId: long, ContentType: long, CorrelationId: long, Body: []byte(`{`)},
		"a time before time": {
			Timestamp: time.Unix(1<<62, 0),
			Headers:   amqp.Table{headerMillis: int64(math.MinInt64)}, Body: one,
		},
		"a time that is a table":         {Headers: amqp.Table{headerMillis: amqp.Table{}}, Body: one},
		"recipients that are not wanted": {Headers: amqp.Table{"CC": []any{}}, Body: []byte(`{`)},
		"deep JSON":                      {Body: bytes.Repeat([]byte(`{"a":`), 1<<20)},
		"nothing":                        {},
	}
}

// TestHostileMessagesAreHandledOrDeadLettered: every message that the bare client can publish ends
// acknowledged or dead-lettered. None is held for ever or lost, and the good one behind is run.
func TestHostileMessagesAreHandledOrDeadLettered(t *testing.T) {
	for _, kind := range []QueueType{Quorum, Classic} {
		t.Run(string(kind), func(t *testing.T) {
			q := newQueue(t, Config{Type: kind})
			require.NoError(t, q.Publish(t.Context(), queue.Message{Body: []byte(`1`)})) // makes the queue
			all := hostile()
			foreign(t, func(ch *amqp.Channel) {
				require.NoError(t, ch.Confirm(false))
				for name, msg := range all {
					confirm, err := ch.PublishWithDeferredConfirmWithContext(t.Context(), "", q.name, true, false, msg)
					require.NoError(t, err, name)
					acked, err := confirm.WaitContext(t.Context())
					require.NoError(t, err, name)
					require.True(t, acked, name)
				}
			})
			require.NoError(t, q.Publish(t.Context(), queue.Message{Body: []byte(`1`)}))
			acked, dead := consumeHostile(t, q, len(all)+2)
			stats, err := q.Inspect(t.Context())
			require.NoError(t, err)
			require.Equal(t, dead, stats.DeadLettered)
			require.Zero(t, stats.Left()+stats.Consumers)
			require.GreaterOrEqual(t, acked, 5)
		})
	}
}

// TestHeadersThatTheClientCannotRead: more than 8,192 headers, or tables nested deeper than 32,
// would end the client's connection before any consumer sees the message, each time that it is
// delivered. It comes without them, and can be read among the dead letters.
func TestHeadersThatTheClientCannotRead(t *testing.T) {
	q := newQueue(t, Config{})
	require.NoError(t, q.Publish(t.Context(), queue.Message{Body: []byte(`1`)}))
	many, deep := amqp.Table{}, amqp.Table{}
	for i := range 8193 {
		many[fmt.Sprint(i)] = true
	}
	for range 40 {
		deep = amqp.Table{"a": deep}
	}
	foreign(t, func(ch *amqp.Channel) {
		for i, headers := range []amqp.Table{many, deep} {
			msg := amqp.Publishing{Headers: headers, MessageId: fmt.Sprint(i)}
			require.NoError(t, ch.PublishWithContext(t.Context(), "", q.name, true, false, msg))
		}
	})
	require.NoError(t, q.Publish(t.Context(), queue.Message{Body: []byte(`1`)}))
	acked, dead := consumeHostile(t, q, 4)
	require.Equal(t, []int{2, 2}, []int{acked, dead})
	letters, err := q.DeadLetters(t.Context(), 3)
	require.NoError(t, err)
	require.ElementsMatch(t, []string{"0", "1"}, []string{letters[0].ID, letters[1].ID})
}

// consumeHostile runs a consumer until n messages have ended, and returns how.
func consumeHostile(t *testing.T, q *Queue, n int) (acked, dead int) {
	t.Helper()
	var acks, letters atomic.Int64
	fail := func(_ context.Context, i int) error {
		if i != 1 {
			return fmt.Errorf("want 1")
		}
		return nil
	}
	c, err := gentask.New(q, gentask.Handle(fail), gentask.Config{
		Concurrency: 2, // fewer than the hostile messages: a slot that stays taken would show
		Reconnect:   gentask.Backoff{Base: time.Millisecond, Max: 10 * time.Millisecond},
		Retry:       gentask.Retry{Backoff: gentask.Backoff{Base: time.Millisecond, Max: 2 * time.Millisecond}},
		OnEvent: func(ev gentask.Event) {
			switch {
			case ev.Kind == gentask.EventDone && ev.Disposition == queue.Ack:
				acks.Add(1)
			case ev.Kind == gentask.EventDone && ev.Disposition == queue.DeadLetter:
				letters.Add(1)
			}
		},
	})
	require.NoError(t, err)
	require.NoError(t, c.Start())
	ended := func() bool { return int(acks.Load()+letters.Load()) == n }
	require.Eventually(t, ended, 20*time.Second, 10*time.Millisecond)
	_, err = c.Stop(t.Context())
	require.NoError(t, err)
	return int(acks.Load()), int(letters.Load())
}
