package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/gentask/gentask/internal/brokertest"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/memory"
	"github.com/gentask/gentask/queue/rabbitmq"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// An operator's hour, with the broker in a directory, at a JetStream server and at a RabbitMQ.
func TestListShowRedrivePurge(t *testing.T) {
	name := fmt.Sprintf("gentask-example-%x", rand.Uint64()) //nolint:gosec // a name
	for where, flags := range map[string][]string{
		"embedded": {"-dir", t.TempDir()},
		"rabbitmq": {"-url", rabbit(t, name), "-queue", name},
		"nats":     {"-url", jetStream(t, name), "-queue", name},
	} {
		t.Run(where, func(t *testing.T) { operate(t, flags) })
	}
}

// rabbit returns a RabbitMQ's URL, and deletes the queue after the test.
func rabbit(t *testing.T, name string) string {
	t.Helper()
	url := brokertest.RabbitMQ(t)
	broker, err := rabbitmq.New(url)
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, broker.Queue(name).Delete(context.Background()))
		require.NoError(t, broker.Close())
	})
	return url
}

// jetStream returns a NATS server's URL, and deletes the queue after the test.
func jetStream(t *testing.T, name string) string {
	t.Helper()
	url := brokertest.NATS(t)
	conn, err := natsgo.Connect(url)
	require.NoError(t, err)
	js, err := jetstream.New(conn)
	require.NoError(t, err)
	t.Cleanup(func() {
		defer conn.Close()
		for _, stream := range []string{name, name + "-dead"} {
			require.NoError(t, js.DeleteStream(context.Background(), stream))
		}
	})
	return url
}

func operate(t *testing.T, flags []string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	do := func(args ...string) string {
		var out strings.Builder
		require.NoError(t, run(ctx, append(flags[:len(flags):len(flags)], args...), &out))
		return out.String()
	}
	require.Equal(t, "1 done, 4 dead\n", do("fill"))
	table := do("list")
	require.Contains(t, table, "4 letters\n")
	require.Regexp(t, `(?m)^order-3 .* 1 +1 +gentask: .* no such customer: "eve"$`, table)
	panics := regexp.MustCompile(`(?m)^order-[24] .* 1 +1 +([0-9a-f]{12}) .*divide by zero$`).FindAllStringSubmatch(table, -1)
	require.Len(t, panics, 2, table)
	require.Equal(t, panics[0][1], panics[1][1], "one place, one fingerprint")

	shown := do("-id", "order-2", "show")
	require.Contains(t, shown, `body (application/json): "{\"Customer\":\"bob\"}"`)
	require.Contains(t, shown, ".bill\n")

	require.Equal(t, "1 given back\n", do("-reason", "no such customer", "redrive"))
	require.Equal(t, "2 given back\n", do("-fingerprint", panics[0][1], "-rate", "100", "redrive"))
	require.Contains(t, do("list"), "1 letters\n")
	require.Equal(t, "1 thrown away\n", do("purge"))
	require.Contains(t, do("list"), "0 letters\n")
}

// TestNothingSteersTheTerminal: what strangers have written is shown, and no terminal obeys it.
func TestNothingSteersTheTerminal(t *testing.T) {
	q := memory.New(memory.Config{Name: "orders"})
	defer q.Close()
	const evil = "evil\x1b[2J\u202e\x07"
	require.NoError(t, q.Publish(t.Context(), queue.Message{ID: evil + "\norder-9\tfake", ContentType: evil, Body: []byte(evil)}))
	session, err := q.Open(t.Context(), queue.Options{Prefetch: 1})
	require.NoError(t, err)
	delivery, err := session.Receive(t.Context())
	require.NoError(t, err)
	require.NoError(t, session.Settle(t.Context(), []queue.Settlement{{
		Delivery: delivery, Disposition: queue.DeadLetter, Reason: evil + "\tone\n" + evil,
		Evidence: &queue.Evidence{Stack: "main.f()\n\t" + evil},
	}}))
	require.NoError(t, session.Close(t.Context()))
	var listed, shown strings.Builder
	require.NoError(t, list(t.Context(), q.Letters(), queue.LetterFilter{}, &listed))
	require.NoError(t, show(t.Context(), q.Letters(), queue.LetterFilter{}, &shown))
	require.Equal(t, 3, strings.Count(listed.String(), "\n"), listed.String())
	for _, text := range []string{listed.String(), shown.String()} {
		require.Contains(t, text, "evil")
		for _, r := range text {
			require.True(t, unicode.IsPrint(r) || r == '\n' || r == '\t', "%q in %q", r, text)
		}
	}
}

func TestMistakesAreNamed(t *testing.T) {
	var out strings.Builder
	require.ErrorIs(t, run(t.Context(), []string{"-url", "http://127.0.0.1", "list"}, &out), queue.ErrConfig)
	require.ErrorContains(t, run(t.Context(), []string{"-dir", t.TempDir(), "delete"}, &out), `command is "delete"`)
	require.ErrorIs(t, run(t.Context(), []string{"-dir", t.TempDir(), "-rate", "-1", "redrive"}, &out), queue.ErrConfig)
}
