package chaos

import (
	"errors"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/nats"
)

// TestChaos_JetStream: what an operator does to a JetStream server, and to a queue, at work.
func TestChaos_JetStream(t *testing.T) {
	for _, tc := range []struct {
		name   string
		strike func(tr *Trial, j *JetStream) error // and end
	}{
		{"server stopped and started", func(_ *Trial, j *JetStream) error { return errors.Join(j.Stop(0), j.Start(0)) }},
		{"store full for a while: publishes refused", outOfRoom},
		{"consumer's limit of deliveries changed and changed back", limited},
		{"consumer deleted by somebody else", func(tr *Trial, j *JetStream) error {
			tr.Forgetful = true // with it goes what was delivered
			return j.DeleteConsumer(tr.Queue)
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			j := sharedStream(t)
			tr := NewTrial(t, tc.name, Stream, j.URL(0), j.guestURL(0))
			tr.Settle()
			tr.Work = 5 * time.Millisecond
			cfg := gentask.Config{Concurrency: 4, Prefetch: 8}
			cfg.Reconnect.Max = 1500 * time.Millisecond // a changed consumer is a refusal
			tr.Consume(1, cfg)
			for range scaled(1, 3) {
				tr.Publish(1500)
				tr.Ran(200)
				tr.Strikes()
				require.NoError(t, tc.strike(tr, j))
				tr.Publish(100) // earlier messages may have run meanwhile
				tr.Struck()
			}
			row := tr.Finish(1)
			require.LessOrEqual(t, row.Resumed, soon)
			require.NoError(t, table.Add(row))
		})
	}
}

// outOfRoom leaves the queue no room for three seconds. Messages that are there run, and publishers
// get an error. A dead letter that can't be written is held, and the consumer reports it.
func outOfRoom(tr *Trial, j *JetStream) error {
	tr.Published()
	if err := j.Fill(tr.Queue); err != nil {
		return err
	}
	err := tr.direct.Publish(tr.Context(), queue.Message{ID: "no room"})
	require.ErrorContains(tr, err, "no room")
	require.ErrorContains(tr, err, "maximum bytes exceeded")
	failures := len(tr.Events(gentask.EventSettleFailed))
	tr.Eventually("a dead letter is refused", func() bool { return len(tr.Events(gentask.EventSettleFailed)) > failures })
	require.Error(tr, tr.Consumers()[0].Health().Error)
	pause(nil, 3*time.Second)
	return j.Empty(tr.Queue)
}

// limited has the consumer of all sessions deliver no more than one message at a time. The session
// ends within 5 s, health reports the change and the right value, and no consumer consumes until
// that is restored.
func limited(tr *Trial, j *JetStream) error {
	change := func(most int) error {
		return j.ChangeConsumer(tr.Queue, func(c *jetstream.ConsumerConfig) { c.MaxAckPending = most })
	}
	start := time.Now()
	if err := change(1); err != nil {
		return err
	}
	var mismatch *nats.MismatchError
	tr.Eventually("health says what was changed", func() bool {
		h := tr.Consumers()[0].Health()
		return h.State == gentask.Connecting && errors.As(h.Error, &mismatch)
	})
	require.ErrorContains(tr, mismatch, "max_ack_pending is 1, must be -1 (unlimited)")
	require.Less(tr, time.Since(start), 5*time.Second+time.Duration(soon))
	return change(-1)
}
