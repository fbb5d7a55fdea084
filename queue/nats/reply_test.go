package nats_test

import (
	"context"
	"testing"
	"time"

	natsgo "github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/nats"
)

// TestARequestIsAnswered: another program's client sends a request with the address of its inbox,
// and gets the answer there, with the correlation id.
func TestARequestIsAnswered(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	b := newBroker(t, "nats://"+standard, nats.Config{})
	q := b.Queue(uniqueName())
	t.Cleanup(func() { deleteStreams(t, q.Name(), q.Name()+"-dead") })
	c, err := gentask.New(q, gentask.Handle(func(ctx context.Context, n int) error {
		job, _ := gentask.FromContext(ctx)
		request := job.Properties()
		answer := gentask.NewKind[int]("answer")
		_, err := answer.Publish(ctx, b.ReplyTo(request.ReplyTo), 2*n, queue.Message{
			Properties: &queue.Properties{CorrelationID: request.CorrelationID},
		})
		return err
	}), gentask.Config{})
	require.NoError(t, err)
	require.NoError(t, c.Start())
	t.Cleanup(func() { _, _ = c.Stop(context.WithoutCancel(ctx)) })

	js := bare(t, "nats://"+standard)
	inbox := js.Conn().NewInbox()
	answers, err := js.Conn().SubscribeSync(inbox)
	require.NoError(t, err)
	require.Eventually(t, func() bool { _, err := js.Stream(ctx, q.Name()); return err == nil }, time.Minute,
		10*time.Millisecond)
	_, err = js.PublishMsg(ctx, &natsgo.Msg{Subject: q.Name(), Data: []byte("21"), Header: natsgo.Header{
		queue.HeaderReplyTo: {inbox}, queue.HeaderCorrelationID: {"7"},
	}})
	require.NoError(t, err)
	answer, err := answers.NextMsgWithContext(ctx)
	require.NoError(t, err)
	require.Equal(t, "42", string(answer.Data))
	require.Equal(t, "7", answer.Header.Get(queue.HeaderCorrelationID))
	require.Equal(t, "application/json", answer.Header.Get("Content-Type"))
}

// TestABadAnswerIsRefused: one answer's fault is not that of the others.
func TestABadAnswerIsRefused(t *testing.T) {
	b := newBroker(t, "nats://"+standard, nats.Config{})
	for _, subject := range []string{"", "a.*", ">", "a b", "a..b", ".a", "a\r\nb"} {
		require.ErrorIs(t, b.ReplyTo(subject).Publish(t.Context(), queue.Message{}), queue.ErrConfig, "%q", subject)
	}
	to := b.ReplyTo(uniqueName())
	require.NoError(t, to.Publish(t.Context()))
	err := to.Publish(t.Context(), queue.Message{ID: "good"}, queue.Message{ID: "late", NotBefore: time.Now().Add(time.Hour)},
		queue.Message{ID: "unique", UniqueKey: "k"}, queue.Message{ID: "bad", Priority: 99})
	require.ErrorIs(t, err, queue.ErrUnsupported)
	require.ErrorIs(t, err, queue.ErrConfig)
	require.ErrorContains(t, err, "3 not confirmed")
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, to.Publish(ended, queue.Message{ID: "a"}), context.Canceled)
}
