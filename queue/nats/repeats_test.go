package nats_test

import (
	"testing"
	"time"

	natsgo "github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/internal/brokertest"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/nats"
)

// A redelivery that falls due while the only requests at the server are those of a cancelled
// session makes no server deliver another message twice, here or elsewhere.
func TestRequestsOfACancelledSessionAreDropped(t *testing.T) {
	const delay = 400 * time.Millisecond
	for name, end := range map[string]func(s queue.Session) error{
		"cancelled": func(s queue.Session) error { return s.Cancel(t.Context()) },
		"closed":    func(s queue.Session) error { return s.Close(t.Context()) },
	} {
		t.Run(name, func(t *testing.T) {
			q := newQueue(t, "nats://"+standard, nats.Config{Lease: time.Minute})
			require.NoError(t, q.Publish(soon(t), queue.Message{ID: "again"}))
			first := newSession(t, q, 1)
			requeue(t, first, receive(t, first), delay)
			due := time.After(delay + delay/4)
			require.NoError(t, first.Close(soon(t)))
			require.NoError(t, q.Publish(soon(t), queue.Message{ID: "a"}, queue.Message{ID: "b"}))
			s := newSession(t, q, 2)
			a, b := receive(t, s), receive(t, s)
			require.NoError(t, end(newSession(t, q, 2)))
			<-due
			settle(t, s, queue.Ack, a)
			again := receive(t, s)
			require.Equal(t, "again", again.ID)
			require.Equal(t, 2, again.Attempt)
			settle(t, s, queue.Ack, again)
			settle(t, s, queue.Ack, b)
			nothing(t, s, delay)
		})
	}
}

// tap is a client that listens in on the first session of a queue.
type tap struct {
	nc                  *natsgo.Conn
	deliveries, answers *natsgo.Subscription
}

// tapped opens a session and listens in on it.
func tapped(t testing.TB, q *nats.Queue, prefetch int) (*tap, queue.Session) {
	t.Helper()
	nc, err := natsgo.Connect("nats://" + standard)
	require.NoError(t, err)
	t.Cleanup(nc.Close)
	requests, err := nc.SubscribeSync("$JS.API.CONSUMER.MSG.NEXT." + q.Name() + ".>")
	require.NoError(t, err)
	answers, err := nc.SubscribeSync("$JS.ACK." + q.Name() + ".>")
	require.NoError(t, err)
	require.NoError(t, nc.FlushWithContext(soon(t)))
	s := newSession(t, q, prefetch)
	request, err := requests.NextMsgWithContext(soon(t))
	require.NoError(t, err)
	deliveries, err := nc.SubscribeSync(request.Reply)
	require.NoError(t, err)
	require.NoError(t, nc.FlushWithContext(soon(t)))
	return &tap{nc, deliveries, answers}, s
}

func hear(t testing.TB, sub *natsgo.Subscription) *natsgo.Msg {
	t.Helper()
	m, err := sub.NextMsgWithContext(soon(t))
	require.NoError(t, err)
	return m
}

// A message that the server delivers again while the session holds it is handed out once, and that
// delivery costs no attempt.
func TestHeldMessageIsNotHandedOutAgain(t *testing.T) {
	q := newQueue(t, "nats://"+standard, nats.Config{Lease: time.Minute})
	tap, s := tapped(t, q, 3)
	require.NoError(t, q.Publish(soon(t), queue.Message{ID: "a"}))
	d, m := receive(t, s), hear(t, tap.deliveries)
	require.NoError(t, tap.nc.Publish(m.Reply, []byte("-NAK")))
	require.Contains(t, hear(t, tap.deliveries).Reply, ".gentask.2.")
	nothing(t, s, 100*time.Millisecond)
	requeue(t, s, d, 0)
	d = receive(t, s)
	require.Equal(t, 2, d.Attempt)
	settle(t, s, queue.Ack, d)
	stats, err := q.Inspect(soon(t))
	require.NoError(t, err)
	require.Zero(t, stats.Ready+stats.Held+stats.DeadLettered)
}

// A redelivery that crosses the settlement of its message is acked, and not handed out.
func TestSettledMessageIsNotHandedOutAgain(t *testing.T) {
	p := brokertest.NewProxy(t, "nats://"+standard)
	q := newQueue(t, p.URL(), nats.Config{Lease: time.Minute})
	tap, s := tapped(t, q, 2)
	for _, disposition := range []queue.Disposition{queue.Ack, queue.Ack, queue.Ack, queue.Ack} {
		require.NoError(t, q.Publish(soon(t), queue.Message{}))
		d, m := receive(t, s), hear(t, tap.deliveries)
		release := p.HoldBack()
		require.NoError(t, tap.nc.Publish(m.Reply, []byte("-NAK")))
		again := hear(t, tap.deliveries).Reply
		hear(t, tap.answers)
		settled := make(chan error)
		go func() { settled <- s.Settle(soon(t), []queue.Settlement{{Delivery: d, Disposition: disposition}}) }()
		require.Equal(t, m.Reply, hear(t, tap.answers).Subject)
		release()
		require.NoError(t, <-settled)
		answer := hear(t, tap.answers)
		require.Equal(t, again, answer.Subject)
		require.Equal(t, "+ACK", string(answer.Data))
		nothing(t, s, 20*time.Millisecond)
	}
	stats, err := q.Inspect(soon(t))
	require.NoError(t, err)
	require.Zero(t, stats.Ready+stats.Held+stats.DeadLettered)
}
