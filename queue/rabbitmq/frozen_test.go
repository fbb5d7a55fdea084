package rabbitmq

import (
	"fmt"
	"net/url"
	"testing"
	"time"

	"github.com/gentask/gentask/queue"
	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"
)

// TestScenario22_FrozenPublisher: the connection for publishing goes silent, as one does whose
// state a firewall has forgotten. A caller that waits for a confirm gets an error within 5 s,
// however long the heartbeats of the config are, and whether or not the socket still accepts
// writes. The next attempt goes over a new connection.
func TestScenario22_FrozenPublisher(t *testing.T) {
	for name, body := range map[string]int{"the socket takes it": 10, "the socket is full": 64 << 20} {
		t.Run(name, func(t *testing.T) {
			p := newProxy(t)
			q := p.queue(t)
			require.NoError(t, q.Publish(t.Context(), numbered(2)...))
			frozen := p.last()
			s := open(t, q, 2)
			first, second := receive(t, s), receive(t, s)
			frozen.freeze()
			start := time.Now()
			err := q.Publish(t.Context(), queue.Message{ID: "large", Body: make([]byte, body)})
			require.ErrorIs(t, err, ErrUnconfirmed)
			require.Less(t, time.Since(start), 5*time.Second)
			require.NoError(t, s.Settle(t.Context(), []queue.Settlement{
				{Delivery: first, Disposition: queue.DeadLetter},
				{Delivery: second, Disposition: queue.Requeue, After: time.Millisecond},
			}))
			require.Equal(t, 2, receive(t, s).Attempt)
			letters, err := q.DeadLetters(t.Context(), 10)
			require.NoError(t, err)
			require.Len(t, letters, 1)
		})
	}
}

// TestFrozenGauge: the connection for counts goes silent. The next count comes over another one,
// long before the limit of the request.
func TestFrozenGauge(t *testing.T) {
	p := newProxy(t)
	q := p.queue(t)
	require.NoError(t, q.Publish(t.Context(), numbered(2)...))
	for range 3 {
		waits(t, q, 2)
		p.last().freeze()
		start := time.Now()
		waits(t, q, 2)
		require.Less(t, time.Since(start), q.broker.cfg.DialTimeout/2)
	}
}

func waits(t *testing.T, q *Queue, want int) {
	t.Helper()
	n, err := q.Backlog(t.Context())
	require.NoError(t, err)
	require.Equal(t, want, n)
}

// TestPulse: the connection for publishing has short heartbeats, whatever the config and the URL
// have; nothing else of the URL is changed.
func TestPulse(t *testing.T) {
	for _, tc := range []struct {
		url       string
		heartbeat time.Duration
		want      string
	}{
		{"amqp://a:b%2F@h:5673/v%2Fw", 10 * time.Second, "amqp://a:b%2F@h:5673/v%2Fw 2s"},
		{"amqp://h", time.Second, "amqp://h 1s"},
		{"amqp://h?heartbeat=1", 10 * time.Second, "amqp://h?heartbeat=1 2s"},
		{"amqp://h?heartbeat=60", 10 * time.Second, "amqp://h?heartbeat=2 2s"},
		{"amqp://h/v%2F?heartbeat=0&channel_max=7", time.Second, "amqp://h/v%2F?channel_max=7&heartbeat=2 1s"},
	} {
		config := amqp.Config{Heartbeat: tc.heartbeat}
		at := withPulse(tc.url, pulse, &config)
		require.Equal(t, tc.want, fmt.Sprintf("%s %v", at, config.Heartbeat))
		config = amqp.Config{Heartbeat: tc.heartbeat}
		require.Equal(t, tc.url, withPulse(tc.url, 0, &config))
		require.Equal(t, tc.heartbeat, config.Heartbeat)
		_, err := url.Parse(at)
		require.NoError(t, err)
	}
}
