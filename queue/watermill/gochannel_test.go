package watermill

import (
	"context"
	"errors"
	"testing"
	"time"

	wm "github.com/ThreeDotsLabs/watermill"
	"github.com/ThreeDotsLabs/watermill/components/delay"
	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/ThreeDotsLabs/watermill/pubsub/gochannel"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/queuetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// newChannel returns a topic of a gochannel of its own.
func newChannel(t testing.TB, cfg Config) (*Queue, *gochannel.GoChannel) {
	t.Helper()
	channel := gochannel.NewGoChannel(gochannel.Config{}, wm.NopLogger{})
	if cfg.Publisher == nil {
		cfg.Publisher = channel
	}
	q, err := New(channel, "jobs", cfg)
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, channel.Close())
		q.Close()
	})
	return q, channel
}

// TestConformanceOnGochannel: as far as a broker can conform that drops messages without a
// subscriber.
func TestConformanceOnGochannel(t *testing.T) {
	queuetest.Run(t, func(t testing.TB) queuetest.Fixture {
		q, _ := newChannel(t, Config{Hold: true})
		return queuetest.Fixture{
			Source: q, Publisher: q, Break: func() {},
			DeadLetters: func(context.Context) ([]queue.Message, error) { return nil, nil },
			Lacks: map[queuetest.Capability]string{
				queuetest.NotBefore: "a delay needs Config.Delayed",
				queuetest.Priority:  "watermill has none",
				queuetest.Unique:    "watermill has none", queuetest.UniqueUntilDone: "likewise",
				queuetest.Keeping: "gochannel drops messages without a subscriber, and gives each subscription all",
				queuetest.Letters: "watermill can only subscribe to dead letters, which removes them",
				queuetest.Loss:    "gochannel has no connection that could be cut",
			},
		}
	})
}

func open(t testing.TB, q *Queue, prefetch int) queue.Session {
	t.Helper()
	s, err := q.Open(t.Context(), queue.Options{Prefetch: prefetch})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close(context.WithoutCancel(t.Context()))) })
	return s
}

func receive(t testing.TB, s queue.Session) *queue.Delivery {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	d, err := s.Receive(ctx)
	require.NoError(t, err)
	return d
}

func settle(t testing.TB, s queue.Session, st queue.Settlement) {
	t.Helper()
	require.NoError(t, s.Settle(t.Context(), []queue.Settlement{st}))
}

// TestOpenWithoutDelay returns ErrNoDelay, with the remedy.
func TestOpenWithoutDelay(t *testing.T) {
	q, _ := newChannel(t, Config{})
	_, err := q.Open(t.Context(), queue.Options{Prefetch: 1})
	require.ErrorIs(t, err, ErrNoDelay)
	require.ErrorIs(t, err, queue.ErrConfig)
	require.ErrorContains(t, err, "Config.Hold")
}

func TestNewRefusesInvalidConfig(t *testing.T) {
	channel := gochannel.NewGoChannel(gochannel.Config{}, wm.NopLogger{})
	defer channel.Close()
	for text, make := range map[string]func() (*Queue, error){
		"subscriber is nil": func() (*Queue, error) { return New(nil, "a", Config{Publisher: channel}) },
		"topic is empty": func() (*Queue,
			error,
		) {
			return New(channel, "", Config{Publisher: channel})
		},
		"Config.Publisher is nil": func() (*Queue, error) { return New(channel, "a", Config{}) },
		"Config.Subscriptions is -2: ri": func() (*Queue,
			error,
		) {
			return New(channel, "a", Config{Publisher: channel, Subscriptions: -2})
		},
	} {
		_, err := make()
		require.ErrorIs(t, err, queue.ErrConfig)
		require.ErrorContains(t, err, text)
	}
}

// TestDispositions: a requeue counts, a release does not, and a dead letter is the original with
// the reason.
func TestDispositions(t *testing.T) {
	q, channel := newChannel(t, Config{Hold: true, DeadTopic: "morgue"})
	morgue, err := channel.Subscribe(t.Context(), "morgue")
	require.NoError(t, err)
	s := open(t, q, 1)
	require.NoError(t, q.Publish(t.Context(), queue.Message{
		ID: "a", Body: []byte("b"), ContentType: "c",
		Headers: map[string]string{"d": "e"},
	}))
	for _, st := range []queue.Settlement{
		{Disposition: queue.Release},
		{Disposition: queue.Requeue},
		{Disposition: queue.Requeue, After: 20 * time.Millisecond},
	} {
		st.Delivery = receive(t, s)
		settle(t, s, st)
	}
	d := receive(t, s)
	require.Equal(t, 3, d.Attempt)
	require.True(t, d.Redelivered)
	settle(t, s, queue.Settlement{
		Delivery: d, Disposition: queue.DeadLetter, Reason: "why", Evidence: &queue.Evidence{Stack: "where"},
	})
	letter := <-morgue
	letter.Ack()
	m := decode(letter)
	require.Equal(t, []string{"a", "b", "c", "e"}, []string{m.ID, string(m.Body), m.ContentType, m.Headers["d"]})
	require.Equal(t, []string{"3", "why", "where", "jobs"}, []string{
		m.Headers[queue.HeaderAttempts], m.Headers[queue.HeaderReason], m.Headers[queue.HeaderStack],
		m.Headers[queue.HeaderQueue],
	})
}

// TestDelayedPublishesWithWatermillsDelay, and keeps nothing in the session.
func TestDelayedPublishesWithWatermillsDelay(t *testing.T) {
	later := publisherFunc(func(topic string, msgs ...*message.Message) error {
		if topic != "jobs" || msgs[0].Metadata.Get(delay.DelayedForKey) != "1h0m0s" ||
			msgs[0].Metadata.Get(queue.HeaderAttempts) != "1" {
			return errors.New("not what was asked for")
		}
		return nil
	})
	q, _ := newChannel(t, Config{Delayed: later})
	s := open(t, q, 1)
	require.NoError(t, q.Publish(t.Context(), queue.Message{ID: "a"}))
	settle(t, s, queue.Settlement{Delivery: receive(t, s), Disposition: queue.Requeue, After: time.Hour})
	require.NoError(t, q.Publish(t.Context(), queue.Message{ID: "b"}))
	require.Equal(t, "b", receive(t, s).ID, "the slot is free")
}

// TestAPublisherThatFailsKeepsTheDelivery: it can be settled again.
func TestAPublisherThatFailsKeepsTheDelivery(t *testing.T) {
	broken := publisherFunc(func(string, ...*message.Message) error { return errors.New("no broker") })
	q, channel := newChannel(t, Config{Publisher: broken, Hold: true})
	s := open(t, q, 1)
	require.NoError(t, channel.Publish("jobs", message.NewMessage("", nil)))
	d := receive(t, s)
	require.NotEmpty(t, d.ID)
	var failed *queue.SettleError
	require.ErrorAs(t, s.Settle(t.Context(), []queue.Settlement{{Delivery: d, Disposition: queue.DeadLetter}}), &failed)
	require.ErrorContains(t, failed, "no broker")
	settle(t, s, queue.Settlement{Delivery: d, Disposition: queue.Ack})
}

// TestPublishHonoursTheContextWhileBlocked, and names the messages; Close waits for the calls that
// were left behind.
func TestPublishHonoursTheContextWhileBlocked(t *testing.T) {
	free := make(chan struct{})
	blocked := publisherFunc(func(string, ...*message.Message) error { <-free; return nil })
	q, _ := newChannel(t, Config{Publisher: blocked})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	err := q.Publish(ctx, queue.Message{ID: "a"}, queue.Message{ID: "b"})
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.ErrorContains(t, err, `2 not confirmed: message "a"`)
	close(free)
}

// TestAMessageThatTheSubscriberGivesUpEndsTheSession: the connection is gone, and the message comes
// again elsewhere.
func TestAMessageThatTheSubscriberGivesUpEndsTheSession(t *testing.T) {
	q, channel := newChannel(t, Config{Hold: true})
	s := open(t, q, 1)
	require.NoError(t, q.Publish(t.Context(), queue.Message{ID: "a"}))
	d := receive(t, s)
	require.NoError(t, channel.Close())
	_, err := s.Receive(t.Context())
	require.ErrorIs(t, err, queue.ErrSessionLost)
	require.ErrorIs(t, s.Settle(t.Context(), []queue.Settlement{{Delivery: d, Disposition: queue.Ack}}),
		queue.ErrSessionLost)
}

// FuzzMetadata: for any metadata, the attempt is at least 1, and a copy continues from there.
func FuzzMetadata(f *testing.F) {
	for _, attempts := range []string{"", "3", "-1", "9223372036854775807", "99999999999999999999", "many", "\xff"} {
		f.Add(attempts, "2026-01-01T00:00:00Z", "why")
	}
	f.Fuzz(func(t *testing.T, attempts, at, reason string) {
		msg := message.NewMessage("", []byte(reason))
		msg.Metadata = message.Metadata{queue.HeaderAttempts: attempts, keyTime: at, keyContentType: reason, reason: at}
		m := decode(msg)
		used, _ := queue.UsedUp(m.Headers)
		require.GreaterOrEqual(t, used, 0)
		d := &queue.Delivery{Message: m, Attempt: used + 1}
		for _, disposition := range []queue.Disposition{queue.Requeue, queue.DeadLetter} {
			copied := decode((&Queue{}).copyOf(d,
				&queue.Settlement{Disposition: disposition, Reason: reason, Evidence: &queue.Evidence{Stack: reason}}))
			again, found := queue.UsedUp(copied.Headers)
			require.True(t, found)
			require.Equal(t, min(used+1, queue.MaxCount), again)
		}
	})
}

// publisherFunc is a function as a publisher.
type publisherFunc func(topic string, msgs ...*message.Message) error

func (f publisherFunc) Publish(topic string, msgs ...*message.Message) error {
	return f(topic, msgs...)
}
func (publisherFunc) Close() error { return nil }
