package rabbitmq

import (
	"testing"
	"time"

	"github.com/gentask/gentask/queue"
	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"
)

// TestLettersOfTheBrokerAreReadable: a message that RabbitMQ itself dead-letters has a reason, the
// queue, the time, and the properties that the broker has moved away. Given back, it has them too.
func TestLettersOfTheBrokerAreReadable(t *testing.T) {
	for name, tc := range map[string]struct {
		args   amqp.Table
		expire string
		reason string
		reject bool
	}{
		"maxlen":         {args: amqp.Table{"x-max-length": 1, "x-overflow": "drop-head"}, reason: "maxlen"},
		"ttl":            {args: amqp.Table{"x-message-ttl": 1}, reason: "expired"},
		"expiration":     {expire: "10", reason: "expired"},
		"rejected":       {reject: true, reason: "rejected"},
		"delivery limit": {args: amqp.Table{"x-queue-type": "quorum", "x-delivery-limit": 0}, reject: true, reason: "delivery_limit"},
	} {
		t.Run(name, func(t *testing.T) {
			q := newQueue(t, Config{Passive: true})
			declare(t, q, tc.args)
			exchange := topic(t, q)
			start := time.Now().Truncate(time.Second)
			put(t, exchange, "jobs.a", amqp.Publishing{MessageId: "a", CorrelationId: "c", Expiration: tc.expire})
			if tc.args["x-max-length"] != nil {
				put(t, exchange, "jobs.b", amqp.Publishing{MessageId: "b"})
			}
			if tc.reject {
				rejectOne(t, q, tc.reason == "delivery_limit")
			}
			require.Eventually(t, func() bool { return len(list(t, q)) == 1 }, patience, 10*time.Millisecond)
			letter := onlyLetter(t, q)
			require.Equal(t, "a", letter.ID)
			require.Equal(t, q.name, letter.Queue)
			require.Contains(t, letter.Reason, "dead-lettered by the broker: "+tc.reason+": ")
			require.WithinRange(t, letter.DeadAt, start, time.Now().Add(time.Second))
			want := queue.Properties{
				CorrelationID: "c", Subject: "jobs.a", Exchange: exchange, Expiration: queue.ParseExpiration(tc.expire),
			}
			require.Equal(t, want, *letter.Properties)
			foreign(t, func(ch *amqp.Channel) { // or a message that comes back pushes out another one
				_, err := ch.QueuePurge(q.name, false)
				require.NoError(t, err)
			})
			n, err := q.Letters().Redrive(t.Context(), queue.LetterFilter{Reason: tc.reason}, queue.RedriveOptions{})
			require.NoError(t, err)
			require.Equal(t, 1, n)
		})
	}
}

// declare declares the queues of a passive one as an operator does.
func declare(t testing.TB, q *Queue, args amqp.Table) {
	t.Helper()
	all := amqp.Table{"x-dead-letter-exchange": "", "x-dead-letter-routing-key": q.deadName()}
	for name, value := range args {
		all[name] = value
	}
	foreign(t, func(ch *amqp.Channel) {
		_, err := ch.QueueDeclare(q.deadName(), true, false, false, false, nil)
		require.NoError(t, err)
		_, err = ch.QueueDeclare(q.name, true, false, false, false, all)
		require.NoError(t, err)
	})
}

// rejectOne takes a message with a bare client, and gives it back.
func rejectOne(t testing.TB, q *Queue, requeue bool) {
	t.Helper()
	foreign(t, func(ch *amqp.Channel) {
		raw, found, err := ch.Get(q.name, false)
		require.NoError(t, err)
		require.True(t, found)
		require.NoError(t, raw.Reject(requeue))
		require.NoError(t, ch.Close()) // returns when the broker has handled it
	})
}

// TestTheNewerDeathCounts: a letter of this driver keeps its reason, and one that the broker has
// dead-lettered after an attempt shows both.
func TestTheNewerDeathCounts(t *testing.T) {
	q := (&Broker{}).Queue("q")
	at := time.Unix(1e9, 0)
	record := []any{
		amqp.Table{"reason": "expired", "queue": "q.dead", "time": at.Add(time.Hour)}, // a retention of letters
		amqp.Table{"reason": "maxlen", "queue": "q", "time": at, "count": int64(1)},
		amqp.Table{"reason": "rejected", "queue": "q.delay.32", "time": at.Add(-time.Hour)},
	}
	for name, tc := range map[string]struct {
		headers amqp.Table
		reason  string
		deadAt  time.Time
	}{
		"ours, later": {amqp.Table{
			headerDeath: record, queue.HeaderReason: "ours",
			queue.HeaderDeadAt: at.Add(time.Minute).Format(time.RFC3339Nano),
		}, "ours", at.Add(time.Minute)},
		"ours, earlier": {amqp.Table{
			headerDeath: record, queue.HeaderDeadAt: at.Add(-time.Minute).Format(time.RFC3339Nano),
		}, "rabbitmq: dead-lettered by the broker: maxlen: the queue was longer than its limit", at},
		"an earlier attempt": {
			amqp.Table{headerDeath: record, queue.HeaderReason: "smtp"},
			"rabbitmq: dead-lettered by the broker: maxlen: the queue was longer than its limit; its last attempt: smtp", at,
		},
		"a newer broker": {
			amqp.Table{headerDeath: []any{amqp.Table{"reason": "moon"}}},
			"rabbitmq: dead-lettered by the broker: moon",
			time.Time{},
		},
		"nonsense": {amqp.Table{headerDeath: []any{"x", amqp.Table{"reason": int32(1)}, nil}}, "", time.Time{}},
		"no list":  {amqp.Table{headerDeath: "x"}, "", time.Time{}},
		"no death": {nil, "", time.Time{}},
	} {
		t.Run(name, func(t *testing.T) {
			letter := queue.ReadLetter(q.letterOf(&amqp.Delivery{Headers: tc.headers}, scale{}))
			require.Equal(t, tc.reason, letter.Reason)
			require.True(t, tc.deadAt.Equal(letter.DeadAt), "%v", letter.DeadAt)
		})
	}
}
