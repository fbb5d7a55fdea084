package rabbitmq

import (
	"context"
	"testing"

	"github.com/gentask/gentask/queue"
	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"
)

// others declares a work queue and its dead-letter queue, as an operator does, and returns it for
// the passive mode.
func others(t *testing.T, args amqp.Table) *Queue {
	t.Helper()
	q := newQueue(t, Config{Passive: true})
	foreign(t, func(ch *amqp.Channel) {
		for name, args := range map[string]amqp.Table{q.name: args, q.deadName(): nil} {
			_, err := ch.QueueDeclare(name, true, false, false, false, args)
			require.NoError(t, err)
		}
	})
	return q
}

// TestPassive_Refuses (B2): a stream, and every argument with which the broker drops messages
// silently, is refused at Open, with the argument, its value and what would be right.
func TestPassive_Refuses(t *testing.T) {
	for name, c := range map[string]struct {
		args amqp.Table
		want []string
	}{
		"stream":        {amqp.Table{argType: "stream"}, []string{argType, "stream", "classic or quorum"}},
		"ttl":           {amqp.Table{argTTL: 60000}, []string{argTTL, "60000", argDead}},
		"expires":       {amqp.Table{argExpires: 60000}, []string{argExpires, "60000", "none"}},
		"length":        {amqp.Table{argLength: 10}, []string{argOverflow, "drop-head", rejectPublish}},
		"bytes, quorum": {amqp.Table{argBytes: 10, argType: "quorum"}, []string{argOverflow, "drop-head", rejectPublish}},
		"drop-head": {
			amqp.Table{argLength: 10, argOverflow: "drop-head", argType: "quorum"}, []string{argOverflow, "drop-head", rejectPublish},
		},
		"limit":       {amqp.Table{argLimit: 5, argType: "quorum"}, []string{argLimit, "5", argDead}},
		"single, ttl": {amqp.Table{argTTL: 60000, argSingle: true}, []string{argTTL, "60000", argDead}},
	} {
		t.Run(name, func(t *testing.T) {
			q := others(t, c.args)
			_, err := q.Open(t.Context(), queue.Options{Prefetch: 1})
			require.ErrorIs(t, err, queue.ErrConfig)
			require.NotErrorIs(t, err, queue.ErrUnavailable)
			for _, want := range append(c.want, q.name) {
				require.ErrorContains(t, err, want)
			}
		})
	}
}

// TestPassive_RefusesTransient: so are a queue that is gone after a restart, and one that goes with
// its last consumer.
func TestPassive_RefusesTransient(t *testing.T) {
	for name, c := range map[string]struct{ durable, auto bool }{argDurable: {false, false}, argAuto: {true, true}} {
		q := newQueue(t, Config{Passive: true})
		foreign(t, func(ch *amqp.Channel) {
			_, err := ch.QueueDeclare(q.deadName(), true, false, false, false, nil)
			require.NoError(t, err)
			_, err = ch.QueueDeclare(q.name, c.durable, c.auto, false, false, nil)
			require.NoError(t, err)
		})
		_, err := q.Open(t.Context(), queue.Options{Prefetch: 1})
		require.ErrorIs(t, err, queue.ErrConfig, name)
		require.ErrorContains(t, err, name)
	}
}

// TestPassive_Takes what keeps every message, and learns type and arguments.
func TestPassive_Takes(t *testing.T) {
	for name, c := range map[string]struct {
		args   amqp.Table
		kind   QueueType
		single bool
	}{
		"classic":   {nil, Classic, false},
		"quorum":    {amqp.Table{argType: "quorum"}, Quorum, false},
		"single":    {amqp.Table{argSingle: true}, Classic, true},
		"single, q": {amqp.Table{argSingle: true, argType: "quorum", argLength: 10, argOverflow: rejectPublish}, Quorum, true},
		"not single": {
			amqp.Table{argSingle: false, "x-max-priority": 5, argTTL: 60000, argDead: "", "x-dead-letter-routing-key": "x"}, Classic, false,
		},
	} {
		t.Run(name, func(t *testing.T) {
			q := others(t, c.args)
			s := open(t, q, 1)
			require.Equal(t, c.kind, s.found.kind)
			require.Equal(t, c.single, s.found.single())
			require.NoError(t, q.Publish(t.Context(), queue.Message{ID: "a"}))
			require.NoError(t, s.Settle(t.Context(), one(receive(t, s), queue.Ack, 0)))
		})
	}
}

// TestPassive_LookCreatesNothing: the requests that must be refused don't create a queue that has
// gone meanwhile.
func TestPassive_LookCreatesNothing(t *testing.T) {
	q := newQueue(t, Config{Passive: true})
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	l, err := q.broker.dial(ctx, "test", 0)
	require.NoError(t, err)
	defer l.leave(ctx)
	for _, kind := range []QueueType{Classic, Quorum} {
		args, err := q.lookAtArguments(l, kind)
		require.NoError(t, err)
		require.Equal(t, amqp.Table{argType: string(kind)}, args)
	}
	kind, err := q.lookAtType(l)
	require.NoError(t, err)
	require.Empty(t, kind)
	_, err = q.broker.gauge.ready(ctx, q.name)
	require.True(t, isNotFound(err), "%v", err)
}

// TestPassive_StreamIsSeenInDeliveries: without what Open has found out, the first delivery ends
// the session.
func TestPassive_StreamIsSeenInDeliveries(t *testing.T) {
	q := others(t, nil)
	s := open(t, q, 1)
	s.found.kind = "" // as if the broker had not told; nothing reads it yet
	require.NoError(t, q.Publish(t.Context(), queue.Message{Headers: map[string]string{argOffset: "7"}}))
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	_, err := s.Receive(ctx)
	require.ErrorIs(t, err, queue.ErrSessionLost)
	require.ErrorIs(t, err, queue.ErrConfig)
	require.ErrorContains(t, err, "stream")

	s = open(t, q, 1)
	require.Equal(t, "7", receive(t, s).Headers[argOffset], "a publisher's own header harms nobody")
}

// TestStandby (B14): the second session of a queue with a single active consumer says so, and takes
// over when the first has gone. The first is not on standby.
func TestStandby(t *testing.T) {
	for _, kind := range []QueueType{Classic, Quorum} {
		t.Run(string(kind), func(t *testing.T) {
			q := others(t, amqp.Table{argSingle: true, argType: string(kind)})
			first := open(t, q, 1)
			require.NoError(t, q.Publish(t.Context(), numbered(3)...))
			receive(t, first)
			second := open(t, q, 1)
			quiet(t, second)
			reason, err := second.Standby(t.Context())
			require.NoError(t, err)
			require.Contains(t, reason, "single active")
			require.NoError(t, first.Close(t.Context()))
			receive(t, second)
			s := open(t, others(t, amqp.Table{argType: string(kind)}), 1)
			reason, err = s.Standby(t.Context())
			require.NoError(t, err)
			require.Empty(t, reason)
		})
	}
}
