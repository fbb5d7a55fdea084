package rabbitmq

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/gentask/gentask/queue"
	"github.com/stretchr/testify/require"
)

func TestNewRefusesInvalidConfig(t *testing.T) {
	const url = "amqp://guest:secret@localhost"
	for name, tc := range map[string]struct {
		url   string
		cfg   []Config
		names []string
	}{
		"another scheme":     {"http://guest:secret@localhost", nil, []string{"url", "http", "amqp://"}},
		"no scheme":          {"secret@localhost:5672", nil, []string{"url", "amqp://"}},
		"a scheme behind it": {"guest:secret@localhost/?next=http://host", nil, []string{"url", "amqp://"}},
		"empty":              {"", nil, []string{"url", "amqp://"}},
		"no URL":             {"amqp://guest:secret%zz@localhost", nil, []string{"url", "percent-encoded"}},
		"bad port":           {"amqp://guest:secret@localhost:port", nil, []string{"url"}},
		"unknown type":       {url, []Config{{Type: "stream"}}, []string{"Config.Type", "stream", "quorum"}},
		"short heartbeat":    {url, []Config{{Heartbeat: time.Millisecond}}, []string{"Config.Heartbeat", "1ms", "1s"}},
		"negative heartbeat": {url, []Config{{Heartbeat: -1}}, []string{"Config.Heartbeat"}},
		"endless heartbeat":  {url, []Config{{Heartbeat: 100_000 * time.Second}}, []string{"Config.Heartbeat"}},
		"negative timeout":   {url, []Config{{DialTimeout: -time.Second}}, []string{"Config.DialTimeout", "-1s"}},
		"long name":          {url, []Config{{Name: strings.Repeat("x", 101)}}, []string{"Config.Name", "101"}},
		"long prefix": {
			url,
			[]Config{{DelayPrefix: strings.Repeat("x", 101)}},
			[]string{"Config.DelayPrefix", "101"},
		},
		"more than one": {url, []Config{{}, {}}, []string{"cfg", "one Config"}},
	} {
		t.Run(name, func(t *testing.T) {
			b, err := New(tc.url, tc.cfg...)
			require.ErrorIs(t, err, queue.ErrConfig)
			require.Nil(t, b)
			for _, part := range tc.names {
				require.ErrorContains(t, err, part)
			}
			require.NotContains(t, err.Error(), "secret")
		})
	}
}

func TestABrokerThatIsDownIsNoErrorOfNew(t *testing.T) {
	b, err := New("amqp://guest:secret@127.0.0.1:1/")
	require.NoError(t, err)
	q := b.Queue("jobs")
	_, err = q.Open(t.Context(), queue.Options{Prefetch: 1})
	require.ErrorContains(t, err, "127.0.0.1:1")
	require.NotContains(t, err.Error(), "secret")
	var failed *queue.PublishError
	err = q.Publish(t.Context(), queue.Message{ID: "a"})
	require.ErrorAs(t, err, &failed)
	require.Equal(t, "a", failed.Failed[0].ID)
	require.NotContains(t, err.Error(), "secret")
	_, blocked := b.Blocked()
	require.False(t, blocked)
	require.NoError(t, b.Close())
	require.NoError(t, b.Close())
	require.ErrorIs(t, q.broker.publisher.publish(t.Context(), []outgoing{{}})[0], queue.ErrClosed)
}

func TestABadQueueNameFailsEveryOperation(t *testing.T) {
	b, err := New("amqp://guest@127.0.0.1:1/")
	require.NoError(t, err)
	for _, name := range []string{"", "amq.gen", strings.Repeat("q", 121)} {
		q := b.Queue(name)
		for what, do := range map[string]func(ctx context.Context) error{
			"Open": func(ctx context.Context) error {
				_,
					err := q.Open(ctx, queue.Options{Prefetch: 1})
				return err
			},
			"Publish":     func(ctx context.Context) error { return q.Publish(ctx, queue.Message{}) },
			"DeadLetters": func(ctx context.Context) error { _, err := q.DeadLetters(ctx, 1); return err },
			"Inspect":     func(ctx context.Context) error { _, err := q.Inspect(ctx); return err },
			"Delete":      q.Delete,
		} {
			err := do(t.Context())
			require.ErrorIs(t, err, queue.ErrConfig, "%s of queue %q", what, name)
			require.ErrorContains(t, err, "queue name")
		}
	}
	_, err = b.Queue("jobs").DeadLetters(t.Context(), 0)
	require.ErrorIs(t, err, queue.ErrConfig)
	_, err = b.Queue("jobs").Open(t.Context(), queue.Options{Prefetch: 65536})
	require.ErrorContains(t, err, "65536: right would be 1 to 65535")
	require.NotErrorIs(t, err, ErrRefused)
}

// Every mistake is named at once, that of the URL included.
func TestNewNamesAllMistakes(t *testing.T) {
	_, err := New("http://localhost", Config{Type: "stream", MaxPriority: 10, Heartbeat: -1, DialTimeout: -1, Name: strings.Repeat("x", 101)})
	for _, field := range []string{"url", "Config.Type", "Config.MaxPriority", "Config.Heartbeat", "Config.DialTimeout", "Config.Name"} {
		require.ErrorContains(t, err, field)
	}
	require.ErrorIs(t, err, queue.ErrConfig)
}
