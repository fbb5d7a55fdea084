package isolate_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"sync"
	"syscall"
	"testing"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/internal/brokertest"
	"github.com/gentask/gentask/isolate"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/nats"
	"github.com/gentask/gentask/queue/rabbitmq"
)

// killers kill their process if their number says so, in four ways.
var killers = isolate.Handle("killers", func(_ context.Context, n int) error {
	switch n % 20 {
	case 3:
		os.Exit(n)
	case 7:
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	case 11:
		go inner()
		return hang()
	case 15:
		return write("garbage from a job that broke its process")
	}
	return nil
}, isolate.Config{Children: 4})

func kills(n int) bool { return n%20 == 3 || n%20 == 7 || n%20 == 11 || n%20 == 15 }

// TestScenario37_OnServers: of 1,000 jobs on a real broker 200 kill their process. Each of these
// has its one attempt, and is a dead letter with a crash as the reason. All others are done at
// their first attempt.
func TestScenario37_OnServers(t *testing.T) {
	for name, open := range map[string]func(t *testing.T) at{"RabbitMQ": onRabbitMQ, "JetStream": onJetStream} {
		t.Run(name, func(t *testing.T) { killOn(t, open(t)) })
	}
}

// at is a queue of a real broker.
type at struct {
	queue.Source
	queue.Publisher
	letters *queue.Letters
}

const victims = 1000

func killOn(t *testing.T, q at) {
	t.Helper()
	var mu sync.Mutex
	done, left := map[string]gentask.Event{}, make(chan struct{})
	c, err := gentask.New(q.Source, killers, gentask.Config{
		Concurrency: 4, Prefetch: 50, Retry: gentask.Retry{MaxAttempts: 1}, Logger: quiet,
		OnEvent: func(e gentask.Event) {
			if e.Kind != gentask.EventDone {
				return
			}
			mu.Lock()
			defer mu.Unlock()
			if _, twice := done[e.ID]; twice {
				t.Errorf("job %s has ended twice", e.ID)
			}
			if done[e.ID] = e; len(done) == victims {
				close(left)
			}
		},
	})
	require.NoError(t, err)
	for n := range victims {
		m := queue.Message{ID: fmt.Sprint(n), Body: fmt.Append(nil, n)}
		require.NoError(t, q.Publish(t.Context(), m))
	}
	require.NoError(t, c.Start())
	<-left
	_, err = c.Stop(context.Background())
	require.NoError(t, err)
	for n := range victims {
		e := done[fmt.Sprint(n)]
		require.Equal(t, 1, e.Attempt, n)
		if kills(n) {
			require.Equal(t, queue.DeadLetter, e.Disposition, n)
			var crash *isolate.CrashError
			require.ErrorAs(t, e.Reason, &crash, n)
		} else {
			require.Equal(t, queue.Ack, e.Disposition, "%d: %v", n, e.Reason)
		}
	}
	letters := 0
	for l, err := range q.letters.All(t.Context(), queue.LetterFilter{}) {
		require.NoError(t, err)
		require.Contains(t, l.Reason, "isolate: the job's process")
		letters++
	}
	require.Equal(t, victims/5, letters)
	requireNoChildren(t)
}

func onRabbitMQ(t *testing.T) at {
	t.Helper()
	b, err := rabbitmq.New(brokertest.RabbitMQ(t), rabbitmq.Config{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, b.Close()) })
	q := b.Queue("isolate-" + rand.Text())
	t.Cleanup(func() { require.NoError(t, q.Delete(context.Background())) })
	return at{q, q, q.Letters()}
}

func onJetStream(t *testing.T) at {
	t.Helper()
	url := brokertest.NATS(t)
	b, err := nats.New(url, nats.Config{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, b.Close()) })
	name := "isolate-" + rand.Text()
	q := b.Queue(name)
	t.Cleanup(func() { deleteStreams(t, url, name, name+"-dead") })
	return at{q, q, q.Letters()}
}

func deleteStreams(t *testing.T, url string, names ...string) {
	t.Helper()
	conn, err := natsgo.Connect(url)
	require.NoError(t, err)
	defer conn.Close()
	js, err := jetstream.New(conn)
	require.NoError(t, err)
	for _, name := range names {
		require.NoError(t, js.DeleteStream(context.Background(), name))
	}
}
