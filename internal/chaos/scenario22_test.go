package chaos

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/rabbitmq"
)

// TestScenario22_BrokerInAlarm: the broker is short of memory, or disk, and blocks those who
// publish. Publish waits and honours its context, the block is visible, consumption goes on, and
// all is well when the alarm is over.
func TestScenario22_BrokerInAlarm(t *testing.T) {
	for _, tc := range []struct {
		name  string
		alarm func(r *RabbitMQ, on bool) error
	}{
		{"memory alarm", (*RabbitMQ).SetMemoryAlarm},
		{"disk alarm", (*RabbitMQ).SetDiskAlarm},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := sharedRabbit(t)
			t.Cleanup(func() { require.NoError(t, tc.alarm(r, false)) })
			tr := NewTrial(t, tc.name, Quorum, r.URL(0), r.URL(0))
			tr.Work = 20 * time.Millisecond
			tr.Publish(500)
			tr.Published()
			tr.Consume(1, gentask.Config{Concurrency: 5, Prefetch: 10})
			tr.Ran(20)
			require.NoError(t, tc.alarm(r, true))
			tr.Publish(50)
			tr.Eventually("the broker says that it blocks", func() bool { _, blocked := tr.direct.Blocked(); return blocked })

			ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
			defer cancel()
			err := tr.direct.Publish(ctx, queue.Message{ID: "late"})
			var failed *queue.PublishError
			require.ErrorAs(t, err, &failed)
			require.Equal(t, "late", failed.Failed[0].ID)
			require.ErrorIs(t, err, context.DeadlineExceeded)
			tr.sent("late", true) // It may have arrived. It has no body, so it is dead-lettered.

			require.NoError(t, tc.alarm(r, false))
			tr.Struck()
			tr.Eventually("it says that it doesn't", func() bool { _, blocked := tr.direct.Blocked(); return !blocked })
			tr.maybe("late")
			require.NoError(t, table.Add(tr.Finish(1)))
		})
	}
}

// TestScenario22_AlarmIsNoSilence: a broker in alarm reads nothing from whom publishes, for longer
// than a frozen connection is put up with, and more is on its way than the socket takes. The
// connection is not given up: the broker goes on to send heartbeats.
func TestScenario22_AlarmIsNoSilence(t *testing.T) {
	r := sharedRabbit(t)
	t.Cleanup(func() { require.NoError(t, r.SetMemoryAlarm(false)) })
	tr := NewTrial(t, "", Classic, r.URL(0), r.URL(0))
	require.NoError(t, tr.direct.Publish(t.Context(), message(1)))
	require.NoError(t, r.SetMemoryAlarm(true))
	result := make(chan error, 1)
	go func() {
		var large []queue.Message // RabbitMQ 4 takes 16 MiB at most
		for i := range 5 {
			large = append(large, queue.Message{ID: fmt.Sprint("large ", i), Body: make([]byte, 13<<20)})
		}
		result <- tr.direct.Publish(t.Context(), large...)
	}()
	tr.Eventually("the broker says that it blocks", func() bool { _, blocked := tr.direct.Blocked(); return blocked })
	pause(nil, 8*time.Second)
	require.Empty(t, result, "given up")
	require.NoError(t, r.SetMemoryAlarm(false))
	require.NoError(t, <-result)
	at, err := tr.direct.state(t.Context())
	require.NoError(t, err)
	require.Equal(t, 1+5, at.left)
	// A broker that is busy with so large a message may let a connection's heartbeats go by.
	tr.Eventually("the queue is deleted", func() bool { return tr.direct.Delete(t.Context()) == nil })
}

// TestScenario22_Unroutable: the queue was deleted by somebody else; the error names each message,
// and the next attempt makes the queue again.
func TestScenario22_Unroutable(t *testing.T) {
	for _, kind := range []Kind{Quorum, Classic} {
		r := sharedRabbit(t)
		tr := NewTrial(t, "", kind, r.URL(0), r.URL(0))
		other, err := Open(kind, r.URL(0), tr.Queue)
		require.NoError(t, err)
		defer other.Close()
		require.NoError(t, tr.direct.Publish(t.Context(), message(1)))
		require.NoError(t, other.Delete(t.Context()))
		err = tr.direct.Publish(t.Context(), message(2), message(3))
		var failed *queue.PublishError
		require.ErrorAs(t, err, &failed)
		require.Len(t, failed.Failed, 2)
		require.Equal(t, "2", failed.Failed[0].ID)
		require.ErrorIs(t, err, rabbitmq.ErrUnroutable)
		require.NoError(t, tr.direct.Publish(t.Context(), message(4)))
		require.NoError(t, other.Delete(t.Context()))
	}
}

// TestScenario22_PublisherCut: the connection for publishing is cut again and again. Every message
// that Publish confirms is there, and Publish names all others.
func TestScenario22_PublisherCut(t *testing.T) {
	for _, kind := range []Kind{Quorum, Classic, Stream} {
		t.Run(string(kind), func(t *testing.T) {
			at := shared(t, kind)
			p := newProxy(t, at)
			tr := NewTrial(t, "publisher's connection cut", kind, at, p.URL())
			tr.Publish(scaled(2000, 20_000))
			tr.Consume(1, gentask.Config{Concurrency: 50, Prefetch: 100})
			for range scaled(3, 20) {
				tr.Ran(50)
				p.Cut()
				tr.Struck()
			}
			require.NoError(t, table.Add(tr.Finish(1)))
		})
	}
}
