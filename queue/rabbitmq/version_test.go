package rabbitmq

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/internal/brokertest"
	"github.com/gentask/gentask/queue"
	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"
)

// serverOf returns the version of the broker for the tests. `make test` runs them on 3.10 and on
// 4.3: each test below states what holds on either.
func serverOf(t testing.TB) serverVersion {
	t.Helper()
	text, err := brokertest.RabbitMQVersion(brokertest.RabbitMQ(t))
	require.NoError(t, err)
	v := versionOf(amqp.Table{"version": text})
	require.True(t, v.atLeast(3, 8), "%q", text)
	return v
}

func TestServerVersions(t *testing.T) {
	for version, can := range map[any]bool{
		"3.10.8": false, "4.0.1": false, "4.2.99": false, "4.3.0": true, "4.10.0-rc.1": true, "5.0": true, "4.3": true,
		"": false, "4": false, "x.y.z": false, 7: false,
	} {
		v := versionOf(amqp.Table{"version": version})
		for _, has := range []bool{
			v.countsAcquired(), v.hasQuorumPriorities(), v.hasConsumerTimeouts(), v.hasOnlyKhepri(),
		} {
			require.Equal(t, can, has, "%v", version)
		}
	}
	require.Equal(t, "unknown", versionOf(nil).String())
	require.Equal(t, "4.10", versionOf(amqp.Table{"version": "4.10.0-rc.1"}).String())
}

// TestTallies: which counter counts, by the kind of the queue and the server.
func TestTallies(t *testing.T) {
	before, since := serverVersion{4, 2}, serverVersion{4, 3}
	for _, tc := range []struct {
		cfg    Config
		server serverVersion
		want   tally
	}{
		{Config{Type: Quorum}, before, tallyReturns},
		{Config{Type: Quorum}, since, tallyAcquired},
		{Config{Type: Classic}, before, tallyMark},
		{Config{Type: Classic}, since, tallyMark},
		{Config{Type: Quorum, Passive: true}, before, tallyUnknown},
		{Config{Type: Quorum, Passive: true}, since, tallyBounded},
		{Config{Type: Classic, Passive: true}, before, tallyUnknown},
		{Config{Type: Classic, Passive: true}, since, tallyBounded},
	} {
		require.Equal(t, tc.want, tallyOf(tc.cfg, tc.server), "%+v on %v", tc.cfg, tc.server)
	}
	back := func(headers amqp.Table) *amqp.Delivery { return &amqp.Delivery{Redelivered: true, Headers: headers} }
	forged := back(amqp.Table{headerCount: int64(500), headerAcquired: int64(3)})
	for by, want := range map[tally]int{
		tallyUnknown: 500, tallyMark: 1, tallyReturns: 500, tallyAcquired: 3, tallyBounded: 3,
	} {
		require.Equal(t, want, by.lost(forged), "%v", by)
		require.Zero(t, by.lost(&amqp.Delivery{Headers: forged.Headers}), "in a first delivery: %v", by)
	}
	require.Equal(t, 0, tallyBounded.lost(back(amqp.Table{headerAcquired: int64(3)})), "given back by others")
	require.Equal(t, 1, tallyBounded.lost(back(nil)), "of a classic queue")
}

// TestScales: a priority comes back as it was sent, and every one at the broker is one of ours.
func TestScales(t *testing.T) {
	for _, s := range []scale{{}, {most: 3}, {most: 9}, {most: 9, above: unsetPriority}} {
		for p := 0; p <= s.most; p++ {
			require.Equal(t, p, s.priority(s.level(p)), "%+v", s)
		}
		for level := range 256 {
			require.LessOrEqual(t, s.priority(uint8(level)), s.most)
			require.GreaterOrEqual(t, s.priority(uint8(level)), s.priority(uint8(max(level-1, 0))))
		}
	}
}

// TestQuorumPriorities: from 4.3 on, those with a higher priority overtake, also one that was put
// off and a copy. On an older server, where they would be ignored, they are refused by name.
func TestQuorumPriorities(t *testing.T) {
	q := newQueue(t, Config{MaxPriority: queue.MaxPriority})
	msgs := make([]queue.Message, 0, queue.MaxPriority+1)
	for p := range queue.MaxPriority + 1 {
		msgs = append(msgs, queue.Message{ID: fmt.Sprint(p), Priority: p})
	}
	err := q.Publish(t.Context(), msgs...)
	if server := serverOf(t); !server.hasQuorumPriorities() {
		_, opened := q.Open(t.Context(), queue.Options{Prefetch: 1})
		for _, err := range []error{err, opened} {
			require.ErrorIs(t, err, queue.ErrUnsupported)
			require.ErrorIs(t, err, queue.ErrConfig)
			require.ErrorContains(t, err, "Config.MaxPriority")
			require.ErrorContains(t, err, "RabbitMQ from 4.3 on")
			require.ErrorContains(t, err, server.String())
		}
		return
	}
	require.NoError(t, err)
	s := open(t, q, 1)
	for p := queue.MaxPriority; p >= 0; p-- {
		d := receive(t, s)
		require.Equal(t, []any{fmt.Sprint(p), p, 1}, []any{d.ID, d.Priority, d.Attempt})
		require.NoError(t, s.Settle(t.Context(), one(d, queue.Ack, 0)))
	}
	soon := time.Now().Add(100 * time.Millisecond)
	require.NoError(t, q.Publish(t.Context(), queue.Message{ID: "low", Priority: 1, NotBefore: soon},
		queue.Message{ID: "high", Priority: 9, NotBefore: soon}))
	for range 2 {
		d := receive(t, s)
		require.Equal(t, map[string]int{"low": 1, "high": 9}[d.ID], d.Priority)
		require.NoError(t, s.Settle(t.Context(), one(d, queue.Requeue, 0)))
		d = receive(t, s)
		require.Equal(t, map[string]int{"low": 1, "high": 9}[d.ID], d.Priority, "a copy")
		require.Equal(t, 2, d.Attempt)
		require.NoError(t, s.Settle(t.Context(), one(d, queue.DeadLetter, 0)))
	}
	letters, err := q.DeadLetters(t.Context(), 2)
	require.NoError(t, err)
	require.Len(t, letters, 2)
	for _, m := range letters {
		require.Equal(t, map[string]int{"low": 1, "high": 9}[m.ID], m.Priority)
	}
}

// TestForgedCountersOfOthers: a publisher writes counters that only the broker should, and another
// client gives the message back. That is one attempt at most.
func TestForgedCountersOfOthers(t *testing.T) {
	for _, cfg := range []Config{{Type: Quorum}, {Type: Classic}} {
		q := newQueue(t, cfg)
		require.NoError(t, q.Publish(t.Context()), "nothing")
		s := open(t, q, 1)
		require.NoError(t, s.Close(t.Context()))
		foreign(t, func(ch *amqp.Channel) {
			require.NoError(t, ch.PublishWithContext(t.Context(), "", q.name, true, false, amqp.Publishing{
				MessageId: "a", Headers: amqp.Table{headerCount: int64(500), headerAcquired: int64(700)},
			}))
			returnAsAnother(t, ch, q, 1)
		})
		d := receive(t, open(t, q, 1))
		require.Equal(t, 2, d.Attempt, cfg.Type)
	}
}

// TestPassiveQueueGivenBackByOthers: on 4.3 another client that gives a message back three times
// costs no attempt, and a session that is lost costs one.
func TestPassiveQueueGivenBackByOthers(t *testing.T) {
	server := serverOf(t)
	q := newQueue(t, Config{Passive: true})
	foreign(t, func(ch *amqp.Channel) {
		for _, name := range []string{q.name, q.deadName()} {
			_, err := ch.QueueDeclare(name, true, false, false, false, amqp.Table{"x-queue-type": "quorum"})
			require.NoError(t, err)
		}
		require.NoError(t, q.Publish(t.Context(), queue.Message{ID: "a"}))
		returnAsAnother(t, ch, q, 3)
	})
	want := 1
	if !server.countsAcquired() {
		want = 4 // it counts every return
	}
	s := open(t, q, 1)
	require.Equal(t, want, receive(t, s).Attempt)
	s.link.cut()
	require.Equal(t, want+1, receive(t, open(t, q, 1)).Attempt)
}

// returnAsAnother takes the only message of q as another client would, and gives it back, n times.
func returnAsAnother(t *testing.T, ch *amqp.Channel, q *Queue, n int) {
	t.Helper()
	for range n {
		require.Eventually(t, func() bool {
			d, found, err := ch.Get(q.name, false)
			require.NoError(t, err)
			if found {
				require.NoError(t, d.Nack(false, true))
			}
			return found
		}, patience, 5*time.Millisecond)
	}
}

// TestReleaseCostsNoAttempt, not even in another session.
func TestReleaseCostsNoAttempt(t *testing.T) {
	q := newQueue(t, Config{})
	require.NoError(t, q.Publish(t.Context(), queue.Message{ID: "a"}))
	for range 3 {
		s := open(t, q, 1)
		d := receive(t, s)
		require.Equal(t, 1, d.Attempt)
		require.NoError(t, s.Cancel(t.Context()))
		require.NoError(t, s.Settle(t.Context(), one(d, queue.Release, 0)))
		require.NoError(t, s.Close(t.Context()))
	}
}

// TestConsumerTimeout: on 4.3 a delivery that is held for too long comes back as the next attempt,
// and the session ends with the reason. An older server would ignore the field: it is refused.
func TestConsumerTimeout(t *testing.T) {
	q := newQueue(t, Config{ConsumerTimeout: time.Second})
	require.NoError(t, q.Publish(t.Context(), queue.Message{ID: "a"}))
	if server := serverOf(t); !server.hasConsumerTimeouts() {
		_, err := q.Open(t.Context(), queue.Options{Prefetch: 1})
		require.ErrorIs(t, err, queue.ErrConfig)
		require.ErrorIs(t, err, queue.ErrUnsupported)
		require.ErrorContains(t, err, "Config.ConsumerTimeout is 1s")
		require.ErrorContains(t, err, server.String())
		return
	}
	for attempt := 1; attempt <= 3; attempt++ {
		s := open(t, q, 1)
		require.Equal(t, attempt, receive(t, s).Attempt)
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		_, err := s.Receive(ctx)
		cancel()
		require.ErrorIs(t, err, queue.ErrSessionLost)
		require.ErrorIs(t, err, errConsumerTimeout)
	}
	s := open(t, q, 1) // paused, with a job that goes on for too long
	require.Equal(t, 4, receive(t, s).Attempt)
	require.NoError(t, s.Cancel(t.Context()))
	select {
	case <-s.lost:
	case <-time.After(patience):
	}
	require.ErrorIs(t, s.ended(), queue.ErrSessionLost)
	require.ErrorContains(t, s.ended(), "timed out")
	require.Equal(t, 5, receive(t, open(t, q, 1)).Attempt)
}

// TestConsumerTimeoutOfAClassicQueue, of which the driver cannot know that it is one.
func TestConsumerTimeoutOfAClassicQueue(t *testing.T) {
	q := newQueue(t, Config{Passive: true, ConsumerTimeout: time.Second})
	foreign(t, func(ch *amqp.Channel) {
		for _, name := range []string{q.name, q.deadName()} {
			_, err := ch.QueueDeclare(name, true, false, false, false, nil)
			require.NoError(t, err)
		}
	})
	_, err := q.Open(t.Context(), queue.Options{Prefetch: 1})
	require.ErrorIs(t, err, queue.ErrConfig)
	require.ErrorContains(t, err, "Config.ConsumerTimeout")
}

// TestJobsLongerThanTheConsumerTimeout: where the broker has the timeout, a job that always takes
// longer is dead-lettered after MaxAttempts, and others go on.
func TestJobsLongerThanTheConsumerTimeout(t *testing.T) {
	if !serverOf(t).hasConsumerTimeouts() {
		return // TestConsumerTimeout states that it is refused
	}
	q := newQueue(t, Config{ConsumerTimeout: time.Second})
	require.NoError(t, q.Publish(t.Context(), queue.Message{ID: "long", Body: []byte("1")}))
	c, err := gentask.New(q, gentask.Handle(func(ctx context.Context, _ int) error {
		<-ctx.Done()
		return ctx.Err()
	}), gentask.Config{Retry: gentask.Retry{MaxAttempts: 3}})
	require.NoError(t, err)
	require.NoError(t, c.Start())
	defer func() {
		_, err := c.Stop(t.Context())
		require.NoError(t, err)
	}()
	var letters []queue.Message
	require.Eventually(t, func() bool {
		letters, err = q.DeadLetters(t.Context(), 2)
		return err == nil && len(letters) == 1
	}, 3*patience, 50*time.Millisecond)
	require.Equal(t, "long", letters[0].ID)
	require.Contains(t, letters[0].Headers[queue.HeaderReason], "of 3")
}

// TestConsumerPriority: those with the higher one get everything that they have room for.
func TestConsumerPriority(t *testing.T) {
	for _, kind := range []QueueType{Quorum, Classic} {
		low := newQueue(t, Config{Type: kind, ConsumerPriority: -1})
		high := *low.broker
		high.cfg.ConsumerPriority = 5
		second := open(t, low, 5)
		first := open(t, high.Queue(low.name), 2)
		require.NoError(t, low.Publish(t.Context(), numbered(3)...))
		receive(t, first)
		receive(t, first)
		receive(t, second)
		quiet(t, first)
	}
}

// TestSingleActiveConsumer: the second one gets messages when the first is gone.
func TestSingleActiveConsumer(t *testing.T) {
	for _, kind := range []QueueType{Quorum, Classic} {
		q := newQueue(t, Config{Type: kind, SingleActiveConsumer: true})
		first, second := open(t, q, 1), open(t, q, 1)
		require.NoError(t, q.Publish(t.Context(), numbered(2)...))
		d := receive(t, first)
		quiet(t, second)
		reason, err := second.Standby(t.Context())
		require.NoError(t, err)
		require.NotEmpty(t, reason, "the second one is not taken for silent")
		require.NoError(t, first.Settle(t.Context(), one(d, queue.Ack, 0)))
		receive(t, first)
		require.NoError(t, first.Close(t.Context()))
		receive(t, second)
		require.NoError(t, second.ended())
	}
}

// TestDemandsAreChecked by New, as far as the config alone shows them.
func TestDemandsAreChecked(t *testing.T) {
	for field, cfg := range map[string]Config{
		"Config.ConsumerTimeout":      {Type: Classic, ConsumerTimeout: time.Minute},
		"Config.ConsumerTimeout is 1": {ConsumerTimeout: time.Millisecond},
		"Config.ConsumerPriority":     {ConsumerPriority: 1 << 40},
		"Config.SingleActiveConsumer": {Passive: true, SingleActiveConsumer: true},
	} {
		_, err := New("amqp://127.0.0.1:1/", cfg)
		require.ErrorIs(t, err, queue.ErrConfig)
		require.ErrorContains(t, err, field)
	}
}
