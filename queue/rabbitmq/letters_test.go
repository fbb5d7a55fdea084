package rabbitmq

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/gentask/gentask/internal/brokertest"
	"github.com/gentask/gentask/queue"
	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"
)

// bury puts messages into the dead-letter queue with a bare client.
func bury(t testing.TB, q *Queue, msgs []queue.Message) error {
	t.Helper()
	raw := make([]amqp.Publishing, len(msgs))
	for i, m := range msgs {
		headers := amqp.Table{}
		for name, value := range m.Headers {
			headers[name] = value
		}
		raw[i] = amqp.Publishing{MessageId: m.ID, Headers: headers, Body: m.Body}
	}
	buryRaw(t, q, raw...)
	return nil
}

// buryRaw puts messages into the dead-letter queue, as another program's client can send them.
func buryRaw(t testing.TB, q *Queue, msgs ...amqp.Publishing) {
	t.Helper()
	foreign(t, func(ch *amqp.Channel) {
		require.NoError(t, ch.Confirm(false))
		var last *amqp.DeferredConfirmation
		for _, m := range msgs {
			var err error
			m.DeliveryMode = amqp.Persistent
			last, err = ch.PublishWithDeferredConfirm("", q.deadName(), true, false, m)
			require.NoError(t, err)
		}
		require.True(t, last.Wait())
	})
}

// list returns the ids of all letters.
func list(t testing.TB, q *Queue) []string {
	t.Helper()
	var ids []string
	for letter, err := range q.Letters().All(t.Context(), queue.LetterFilter{}) {
		require.NoError(t, err)
		ids = append(ids, letter.ID)
	}
	return ids
}

// TestLettersSurviveTheDeliveryLimit: a quorum queue counts each look at a letter, and drops it at
// its limit. However often the letters are listed, none is dropped, and none is shown twice in one
// walk. A letter that is given back is still the original.
func TestLettersSurviveTheDeliveryLimit(t *testing.T) {
	q := newQueue(t, Config{Passive: true})
	foreign(t, func(ch *amqp.Channel) {
		for name, args := range map[string]amqp.Table{
			q.name: {"x-queue-type": "quorum"}, q.deadName(): {"x-queue-type": "quorum", "x-delivery-limit": 20},
		} {
			_, err := ch.QueueDeclare(name, true, false, false, false, args)
			require.NoError(t, err)
		}
	})
	want := []string{"a", "b", "c"}
	for _, id := range want {
		buryRaw(t, q, amqp.Publishing{
			MessageId: id, Headers: amqp.Table{"n": int32(7), headerWalk: "another program's"},
			CorrelationId: "c-" + id,
		})
	}
	for range 45 {
		require.ElementsMatch(t, want, list(t, q))
	}
	n, err := q.Letters().Redrive(t.Context(), queue.LetterFilter{}, queue.RedriveOptions{})
	require.NoError(t, err)
	require.Equal(t, len(want), n)
	for range want {
		raw := take(t, q)
		require.Equal(t, int32(7), raw.Headers["n"])
		require.Equal(t, "c-"+raw.MessageId, raw.CorrelationId)
		require.NotContains(t, raw.Headers, headerWalk)
		require.NotContains(t, raw.Headers, queue.HeaderAttempts)
	}
}

// take takes the first message of the queue with a bare client.
func take(t testing.TB, q *Queue) (raw amqp.Delivery) {
	t.Helper()
	foreign(t, func(ch *amqp.Channel) {
		var found bool
		var err error
		raw, found, err = ch.Get(q.name, true)
		require.NoError(t, err)
		require.True(t, found)
	})
	return raw
}

// TestLettersGivenBackAreTheWholeOriginal: every field of AMQP is unchanged, except the time
// to live, which is in a header. The broker's records of the death are gone.
func TestLettersGivenBackAreTheWholeOriginal(t *testing.T) {
	for _, kind := range []QueueType{Quorum, Classic} {
		t.Run(string(kind), func(t *testing.T) {
			q := newQueue(t, Config{Type: kind})
			require.NoError(t, q.ensureQueue(t.Context()))
			sent := amqp.Publishing{
				MessageId: "a", ContentType: "x/y", ContentEncoding: "gzip", CorrelationId: "c", ReplyTo: "r",
				Type: "t", AppId: "app",
				Timestamp: time.Unix(1e9, 0), Priority: 3, Body: []byte("\xff"), Expiration: "3600000",
				Headers: amqp.Table{
					"n": int64(1), "f": 1.5, "b": []byte{0xff}, "nested": amqp.Table{"x": []any{int32(1), nil}},
					headerMillis: int64(1e12 + 7),
					"x-death":    []any{amqp.Table{"reason": "delivery_limit"}}, "x-first-death-queue": "q",
					"CC":                 []any{q.deadName()},
					queue.HeaderAttempts: int64(5), queue.HeaderReason: []byte("why"), headerCount: int64(1 << 60),
				},
			}
			buryRaw(t, q, sent) // twice, since CC names the same queue; the broker stores it once
			n, err := q.Letters().Redrive(t.Context(), queue.LetterFilter{Reason: "why"}, queue.RedriveOptions{})
			require.NoError(t, err)
			require.Equal(t, 1, n)
			raw := take(t, q)
			require.Equal(t, sent.Body, raw.Body)
			require.Equal(t, []any{"a", "x/y", "gzip", "c", "r", "t", "app", uint8(3), ""}, []any{
				raw.MessageId, raw.ContentType, raw.ContentEncoding, raw.CorrelationId, raw.ReplyTo, raw.Type,
				raw.AppId, raw.Priority,
				raw.Expiration,
			})
			require.True(t, sent.Timestamp.Equal(raw.Timestamp))
			require.NotEmpty(t, raw.Headers[queue.HeaderHistory])
			delete(raw.Headers, queue.HeaderHistory)
			delete(raw.Headers, headerCount) // of the broker's own
			require.Equal(t, amqp.Table{
				"n": int64(1), "f": 1.5, "b": []byte{0xff}, "nested": amqp.Table{"x": []any{int32(1), nil}},
				headerMillis: int64(1e12 + 7), queue.HeaderExpiration: "3600000",
			}, raw.Headers)
		})
	}
}

// TestALetterWhoseRemovalIsLostIsThereTwice: the message is confirmed before the letter is removed.
// If the connection breaks in between, both are there, and a second call gives back the one that is
// left.
func TestALetterWhoseRemovalIsLostIsThereTwice(t *testing.T) {
	for _, kind := range []QueueType{Quorum, Classic} {
		t.Run(string(kind), func(t *testing.T) {
			q := newQueue(t, Config{Type: kind})
			s := open(t, q, 10)
			require.NoError(t, bury(t, q, []queue.Message{{ID: "a"}, {ID: "b"}}))
			opened, err := letterBox{q}.OpenLetters(t.Context())
			require.NoError(t, err)
			walk := opened.(*letterWalk)
			_, err = walk.Next(t.Context())
			require.NoError(t, err)
			walk.link.cut()
			gone, err := walk.Redrive(t.Context(), queue.Rewrite{})
			require.Error(t, err)
			require.False(t, gone)
			_, err = walk.Next(t.Context())
			require.Error(t, err)
			require.NoError(t, walk.Close(t.Context()))
			require.Eventually(t, func() bool { return len(list(t, q)) == 2 }, patience, 10*time.Millisecond)
			n, err := q.Letters().Redrive(t.Context(), queue.LetterFilter{}, queue.RedriveOptions{})
			require.NoError(t, err)
			require.Equal(t, 2, n)
			ids := []string{receive(t, s).ID, receive(t, s).ID, receive(t, s).ID}
			require.ElementsMatch(t, []string{"a", "a", "b"}, ids)
			require.Empty(t, list(t, q))
		})
	}
}

// TestLettersTakeBoundedMemory: to go over 200 MiB of letters takes a few parts of 4 MiB.
func TestLettersTakeBoundedMemory(t *testing.T) {
	const letters, size, most = 1000, 200 << 10, 40 << 20
	q := newQueue(t, Config{Type: Classic})
	open(t, q, 1)
	body := make([]byte, size)
	for i := range letters / 50 {
		part := make([]queue.Message, 50)
		for j := range part {
			part[j] = queue.Message{ID: fmt.Sprint(i, j), Body: body}
		}
		require.NoError(t, bury(t, q, part))
	}
	before, n := heap(), 0
	for _, err := range q.Letters().All(t.Context(), queue.LetterFilter{}) {
		require.NoError(t, err)
		if n++; n%100 == 0 {
			require.Less(t, heap(), before+most, "after %d letters", n)
		}
	}
	require.Equal(t, letters, n)
}

// heap returns the number of bytes in use.
func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// TestLettersOfAClosedBroker: nothing is given back, and nothing is lost.
func TestLettersOfAClosedBroker(t *testing.T) {
	q := newQueue(t, Config{})
	open(t, q, 1)
	require.NoError(t, bury(t, q, []queue.Message{{ID: "a"}}))
	other, err := New(brokertest.RabbitMQ(t))
	require.NoError(t, err)
	require.NoError(t, other.Close())
	_, err = other.Queue(q.name).Letters().Redrive(t.Context(), queue.LetterFilter{}, queue.RedriveOptions{})
	require.ErrorIs(t, err, queue.ErrClosed)
	require.Equal(t, []string{"a"}, list(t, q))
}
