package nats_test

import (
	"bytes"
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	natsgo "github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/nats"
)

// maxPayload is that of the hostile tests' server.
const maxPayload = 10 << 20

// hostile returns messages as another program's client can send them.
func hostile() map[string]*natsgo.Msg {
	h := func(pairs ...string) natsgo.Header {
		all := natsgo.Header{}
		for i := 0; i < len(pairs); i += 2 {
			all[pairs[i]] = append(all[pairs[i]], pairs[i+1])
		}
		return all
	}
	return map[string]*natsgo.Msg{
		"headers as large as can be": {Header: h("big", strings.Repeat("x", 1<<16-1-24)), Data: []byte(`{`)},
		"a full payload":             {Data: bytes.Repeat([]byte("["), maxPayload)},
		"a full payload, headers": {
			Header: h("a", strings.Repeat("b", 1<<10-24)),
			Data:   bytes.Repeat([]byte("["), maxPayload-1<<10),
		},
		"negative attempts":         {Header: h(queue.HeaderAttempts, "-9223372036854775808"), Data: []byte(`1`)},
		"attempts that overflow":    {Header: h(queue.HeaderAttempts, "9223372036854775807"), Data: []byte(`1`)},
		"attempts beyond a number":  {Header: h(queue.HeaderAttempts, strings.Repeat("9", 1000)), Data: []byte(`1`)},
		"attempts that are no text": {Header: h(queue.HeaderAttempts, "\xff\xfe"), Data: []byte(`1`)},
		"attempts, escaped":         {Header: h("gentask-esc-gentask-attempts", "%39%39"), Data: []byte(`1`)},
		"bad escapes": {
			Header: h("gentask-esc-%zz", "%zz", "gentask-esc-", "", "gentask-esc-.", "x"),
			Data:   []byte(`1`),
		},
		"no UTF-8": {
			Header: h("a", "\xff", "Content-Type", "\xc3\x28"),
			Data:   []byte("\xff\xfe\xfd"),
		},
		"a time that is none": {Header: h("gentask-time", "yesterday", "gentask-dead-at", "never", "gentask-id",
			""), Data: []byte(`1`)},
		"many of one name": {Header: natsgo.Header{
			"gentask-id":         {"a", "b"},
			queue.HeaderAttempts: {"1", "99"},
		}, Data: []byte(`1`)},
		"a status of the server's": {Header: h("Status", "409", "Nats-Pending-Messages", "-7"), Data: []byte(`1`)},
		"deep JSON":                {Data: bytes.Repeat([]byte(`{"a":`), 1<<20)},
		"nothing":                  {},
	}
}

// TestHostileMessagesAreHandledOrDeadLettered: every message that the bare client can publish ends
// acknowledged or dead-lettered. None is held for ever or lost, and the good one behind is run.
func TestHostileMessagesAreHandledOrDeadLettered(t *testing.T) {
	s := ownServer(t, server.Options{JetStream: true, MaxPayload: maxPayload})
	q := newBroker(t, s.ClientURL(), nats.Config{}).Queue("hostile")
	require.NoError(t, q.Publish(soon(t), queue.Message{Body: []byte(`1`)})) // makes the stream
	all := hostile()
	js := bare(t, s.ClientURL())
	_, err := js.PublishMsg(soon(t), &natsgo.Msg{
		Subject: "hostile",
		Header:  natsgo.Header{"big": {strings.Repeat("x", 9<<20)}},
	})
	require.ErrorContains(t, err, "header size exceeds maximum allowed of 64k",
		"what the server refuses needs no test here")
	for name, msg := range all {
		msg.Subject = "hostile"
		_, err := js.PublishMsg(soon(t), msg)
		require.NoError(t, err, name)
	}
	require.NoError(t, q.Publish(soon(t), queue.Message{Body: []byte(`1`)}))
	var acked, dead atomic.Int64
	ended := func() int { return int(acked.Load() + dead.Load()) }
	c, err := gentask.New(q, gentask.Handle(func(context.Context, int) error { return nil }), gentask.Config{
		Concurrency: 2, // fewer than the hostile messages: a slot that stays taken would show
		OnEvent: func(ev gentask.Event) {
			switch {
			case ev.Kind == gentask.EventDone && ev.Disposition == queue.Ack:
				acked.Add(1)
			case ev.Kind == gentask.EventDone && ev.Disposition == queue.DeadLetter:
				dead.Add(1)
			}
		},
	})
	require.NoError(t, err)
	require.NoError(t, c.Start())
	require.Eventually(t, func() bool { return ended() == len(all)+2 }, 20*time.Second, 10*time.Millisecond)
	_, err = c.Stop(soon(t))
	require.NoError(t, err)
	stats, err := q.Inspect(soon(t))
	require.NoError(t, err)
	require.Equal(t, int(dead.Load()), stats.DeadLettered)
	require.Zero(t, stats.Left())
	require.GreaterOrEqual(t, acked.Load(), int64(8))
}

// TestACopyOfAFullMessageKeepsItsBody: release gives a message that fills max_payload back whole,
// at the cost of an attempt. The dead letter has its body, and as many headers as fit.
func TestACopyOfAFullMessageKeepsItsBody(t *testing.T) {
	s := ownServer(t, server.Options{JetStream: true, MaxPayload: 1 << 20})
	q := newBroker(t, s.ClientURL(), nats.Config{}).Queue("full")
	session := newSession(t, q, 1)
	body := bytes.Repeat([]byte("b"), 1<<20-200)
	_, err := bare(t, s.ClientURL()).PublishMsg(soon(t), &natsgo.Msg{
		Subject: "full", Data: body, Header: natsgo.Header{"large": {strings.Repeat("x", 150)}, "small": {"y"}},
	})
	require.NoError(t, err)
	d := receive(t, session)
	settle(t, session, queue.Release, d)
	d = receive(t, session)
	require.Equal(t, 2, d.Attempt)
	require.Len(t, d.Headers["large"], 150)
	require.NoError(t, session.Settle(soon(t), []queue.Settlement{{
		Delivery: d, Disposition: queue.DeadLetter, Reason: "why",
		Evidence: &queue.Evidence{Stack: strings.Repeat("s", queue.MaxStack)},
	}}))
	letters, err := q.DeadLetters(soon(t), 10)
	require.NoError(t, err)
	require.Len(t, letters, 1)
	require.Equal(t, body, letters[0].Body)
	require.Equal(t, "y", letters[0].Headers["small"])
	require.Equal(t, "why", letters[0].Headers[queue.HeaderReason])
}
