package nats_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/nats"
)

// setup publishes what a queue's stream and consumer must be, before they are changed by edit, and
// creates them so.
func setup(t *testing.T, url, name string, stream, consumer map[string]any) {
	t.Helper()
	nc, err := natsgo.Connect(url)
	require.NoError(t, err)
	defer nc.Close()
	config := map[string]any{
		"name": name, "subjects": []string{name}, "retention": "workqueue", "storage": "file", "discard": "new",
		"num_replicas": 1, "max_consumers": -1, "max_msgs": -1, "max_bytes": -1, "max_msgs_per_subject": -1,
	}
	maps.Copy(config, stream)
	demand(t, nc, "STREAM.CREATE."+name, config)
	if consumer == nil {
		return
	}
	config = map[string]any{
		"durable_name": "gentask", "name": "gentask", "deliver_policy": "all", "ack_policy": "explicit",
		"ack_wait": 5 * time.Second, "max_deliver": -1, "max_ack_pending": -1, "replay_policy": "instant",
	}
	maps.Copy(config, consumer)
	demand(t, nc, "CONSUMER.CREATE."+name+".gentask", map[string]any{"stream_name": name, "config": config})
}

// demand makes a request to JetStream.
func demand(t *testing.T, nc *natsgo.Conn, request string, body any) {
	t.Helper()
	data, err := json.Marshal(body)
	require.NoError(t, err)
	m, err := nc.Request("$JS.API."+request, data, 5*time.Second)
	require.NoError(t, err)
	var answer struct{ Error *jetstream.APIError }
	require.NoError(t, json.Unmarshal(m.Data, &answer))
	require.Nil(t, answer.Error, "%s", m.Data)
}

// newest starts a server of the newest version.
func newest(t *testing.T) string {
	t.Helper()
	return ownServer(t, server.Options{JetStream: true}).ClientURL()
}

// TestWhatChangesADeliveryIsRefusedByName: each property that loses messages, changes them or holds
// them back, at Open, with its name and value.
func TestWhatChangesADeliveryIsRefusedByName(t *testing.T) {
	url := newest(t)
	for _, one := range []struct {
		stream, consumer map[string]any
		says             string
	}{
		{map[string]any{"discard": "old"}, nil, "discard is old, must be new"},
		{map[string]any{"retention": "interest"}, nil, "retention is interest, must be workqueue"},
		{map[string]any{"max_age": time.Hour}, nil, "max_age is 1h0m0s, must be 0"},
		{map[string]any{"max_msgs_per_subject": 1}, nil, "max_msgs_per_subject is 1, must be -1"},
		{map[string]any{"no_ack": true}, nil, "no_ack is true, must be false"},
		{map[string]any{"persist_mode": "async"}, nil, "persist_mode is async, must be default"},
		{map[string]any{"allow_rollup_hdrs": true}, nil, "allow_rollup_hdrs is true, must be false"},
		{map[string]any{"allow_msg_ttl": true}, nil, "allow_msg_ttl is true, must be false"},
		{
			map[string]any{"subject_transform": map[string]any{"src": "", "dest": "other.>"}},
			nil, `subject_transform is {"dest":"other.>","src":""}, must be none`,
		},
		{
			map[string]any{"consumer_limits": map[string]any{"inactive_threshold": time.Hour}},
			nil, "consumer_limits is ",
		},
		{nil, map[string]any{"headers_only": true}, "headers_only is true, must be false"},
		{nil, map[string]any{"max_deliver": 3}, "max_deliver is 3, must be -1"},
		{nil, map[string]any{"max_ack_pending": 10}, "max_ack_pending is 10, must be -1"},
		{nil, map[string]any{"inactive_threshold": time.Hour}, "inactive_threshold is 1h0m0s, must be 0"},
		{nil, map[string]any{"mem_storage": true}, "mem_storage is true, must be false"},
		{nil, map[string]any{"replay_policy": "original"}, "replay_policy is original, must be instant"},
		{
			nil,
			map[string]any{"backoff": []time.Duration{5 * time.Second, time.Minute}, "max_deliver": 5},
			"backoff is [5000000000,60000000000], must be none",
		},
		{nil, map[string]any{"max_expires": time.Millisecond}, "max_expires is 1ms, must be 0 (unlimited), or at least 100ms"},
		{
			nil,
			map[string]any{"priority_groups": []string{"a"}, "priority_policy": "overflow"},
			"priority_policy is overflow, must be none",
		},
		{
			nil,
			map[string]any{"priority_groups": []string{"a"}, "priority_policy": "pinned_client"},
			"priority_policy is pinned_client, must be none",
		},
		{
			nil,
			map[string]any{"priority_groups": []string{"a"}, "priority_policy": "prioritized"},
			`priority_groups is ["a"], must be none`,
		},
	} {
		name := uniqueName()
		setup(t, url, name, one.stream, one.consumer)
		_, err := newBroker(t, url, nats.Config{}).Queue(name).Open(soon(t), queue.Options{Prefetch: 1})
		var mismatch *nats.MismatchError
		require.ErrorAs(t, err, &mismatch, one.says)
		require.ErrorIs(t, err, queue.ErrConfig)
		require.ErrorContains(t, err, one.says)
	}
}

// TestAFilterIsRefused: the other messages would never be delivered.
func TestAFilterIsRefused(t *testing.T) {
	url, name := newest(t), uniqueName()
	setup(t, url, name, map[string]any{"subjects": []string{name, name + ".>"}}, map[string]any{"filter_subject": name})
	_, err := newBroker(t, url, nats.Config{}).Queue(name).Open(soon(t), queue.Options{Prefetch: 1})
	require.ErrorIs(t, err, queue.ErrConfig)
	require.ErrorContains(t, err, "filter_subject is "+name+", must be none")
}

// TestHeadersOnly: a consumer that is changed under a session delivers without bodies. The delivery
// itself shows that, so that no job gets an empty body, and nothing is lost.
func TestHeadersOnly(t *testing.T) {
	q := newQueue(t, "nats://"+standard, nats.Config{Lease: time.Second})
	s := begin(t, q, 1)
	require.NoError(t, changeConsumer(soon(t), bare(t, "nats://"+standard), q.Name(),
		func(c *jetstream.ConsumerConfig) { c.HeadersOnly = true }))
	require.NoError(t, q.Publish(soon(t), queue.Message{ID: "a", Body: []byte("body")}))
	err := lostWithin(t, s, 2*time.Second) // sooner than the next look
	require.ErrorIs(t, err, queue.ErrConfig)
	require.ErrorContains(t, err, "headers_only is true, must be false")
	_, err = q.Open(soon(t), queue.Options{Prefetch: 1})
	require.ErrorContains(t, err, "headers_only is true, must be false")

	require.NoError(t, changeConsumer(soon(t), bare(t, "nats://"+standard), q.Name(),
		func(c *jetstream.ConsumerConfig) { c.HeadersOnly = false }))
	d := next(t, begin(t, q, 1))
	require.Equal(t, "body", string(d.Body))
	letters, err := q.DeadLetters(soon(t), 1)
	require.NoError(t, err)
	require.Empty(t, letters)
}

// TestForeignSizeHeader: a message of another program with the header of headers_only is delivered
// as it is stored.
func TestForeignSizeHeader(t *testing.T) {
	q := newQueue(t, "nats://"+standard, nats.Config{})
	s := begin(t, q, 2)
	_, err := bare(t, "nats://"+standard).PublishMsg(soon(t), &natsgo.Msg{
		Subject: q.Name(), Header: natsgo.Header{"Nats-Msg-Size": {"7"}, "own": {"x"}},
	})
	require.NoError(t, err)
	d := next(t, s)
	require.Empty(t, d.Body)
	require.Equal(t, "x", d.Headers["own"])
	require.NoError(t, settleOne(t, s, queue.Settlement{Delivery: d, Disposition: queue.Ack}))
}

// TestDeadLetterQueueIsWatched: letters would vanish.
func TestDeadLetterQueueIsWatched(t *testing.T) {
	q := newQueue(t, "nats://"+standard, nats.Config{})
	s := begin(t, q, 1)
	js := bare(t, "nats://"+standard)
	stream, err := js.Stream(soon(t), q.Name()+"-dead")
	require.NoError(t, err)
	config := stream.CachedInfo().Config
	config.MaxAge = time.Hour
	_, err = js.UpdateStream(soon(t), config)
	require.NoError(t, err)
	err = lostWithin(t, s, 5*time.Second)
	require.ErrorIs(t, err, queue.ErrConfig)
	require.ErrorContains(t, err, q.Name()+`-dead" exists with other properties: max_age is 1h0m0s`)
}

// TestLimitsOfRequestsAreHonoured: at Open, and when they are lowered under a session, which goes
// on with what it holds.
func TestLimitsOfRequestsAreHonoured(t *testing.T) {
	const n = 40
	url := newest(t)
	for _, limits := range []map[string]any{
		{"max_batch": 1},
		{"max_batch": 3},
		{"max_expires": 300 * time.Millisecond},
		{"max_bytes": 100},
		{"max_batch": 2, "max_expires": time.Second, "max_bytes": 1},
	} {
		for _, when := range []string{"before", "during"} {
			t.Run(fmt.Sprint(when, limits), func(t *testing.T) {
				t.Parallel()
				name := uniqueName()
				setup(t, url, name, nil, map[string]any{})
				if when == "before" {
					demandConsumer(t, url, name, limits)
				}
				q := newBroker(t, url, nats.Config{}).Queue(name)
				s := begin(t, q, 8)
				require.NoError(t, q.Publish(soon(t), queue.Message{ID: "held", Body: make([]byte, 200)}))
				held := next(t, s)
				if when == "during" {
					demandConsumer(t, url, name, limits)
				}
				seen := map[string]bool{}
				for i := range n {
					require.NoError(t, q.Publish(soon(t), queue.Message{ID: strconv.Itoa(i), Body: make([]byte, 200)}))
				}
				for range n {
					d := next(t, s)
					require.Equal(t, 1, d.Attempt)
					seen[d.ID] = true
					require.NoError(t, settleOne(t, s, queue.Settlement{Delivery: d, Disposition: queue.Ack}))
				}
				require.Len(t, seen, n)
				require.NoError(t, settleOne(t, s, queue.Settlement{Delivery: held, Disposition: queue.Ack}))
			})
		}
	}
}

// demandConsumer changes a consumer that setup has made.
func demandConsumer(t *testing.T, url, name string, properties map[string]any) {
	t.Helper()
	nc, err := natsgo.Connect(url)
	require.NoError(t, err)
	defer nc.Close()
	config := map[string]any{
		"durable_name": "gentask", "name": "gentask", "deliver_policy": "all", "ack_policy": "explicit",
		"ack_wait": 5 * time.Second, "max_deliver": -1, "max_ack_pending": -1, "replay_policy": "instant",
	}
	maps.Copy(config, properties)
	demand(t, nc, "CONSUMER.CREATE."+name+".gentask", map[string]any{"stream_name": name, "config": config})
}

// TestTooFewRequestsAreAllowed: a session whose requests are dropped, because others use up
// max_waiting, ends with the reason, and not in silence.
func TestTooFewRequestsAreAllowed(t *testing.T) {
	url, name := newest(t), uniqueName()
	setup(t, url, name, nil, map[string]any{"max_waiting": 1})
	q := newBroker(t, url, nats.Config{}).Queue(name)
	begin(t, q, 1)
	err := lostWithin(t, begin(t, q, 1), 12*time.Second)
	require.ErrorIs(t, err, queue.ErrConfig)
	require.ErrorContains(t, err, "max_waiting is 1, and 1 requests wait, must be 4096")
}

// TestConfirmOfAnotherStreamIsNone: the subject of a queue that was deleted may be another
// stream's.
func TestConfirmOfAnotherStreamIsNone(t *testing.T) {
	q := newQueue(t, "nats://"+standard, nats.Config{})
	require.NoError(t, q.Publish(soon(t), queue.Message{ID: "a"}))
	js := bare(t, "nats://"+standard)
	require.NoError(t, js.DeleteStream(soon(t), q.Name()))
	other := uniqueName()
	t.Cleanup(func() { deleteStreams(t, other) })
	_, err := js.CreateStream(soon(t), jetstream.StreamConfig{Name: other, Subjects: []string{q.Name()}})
	require.NoError(t, err)
	err = q.Publish(soon(t), queue.Message{ID: "b"})
	require.ErrorIs(t, err, queue.ErrConfig)
	require.ErrorContains(t, err, `is stored by stream "`+other+`", must be "`+q.Name()+`"`)
}

// TestRequestsThatEndAreMadeAgain: requests that the server ends are made again; what is held stays
// held.
func TestRequestsThatEndAreMadeAgain(t *testing.T) {
	q := newQueue(t, "nats://"+standard, nats.Config{})
	var inbox atomic.Pointer[string]
	nc, err := natsgo.Connect("nats://" + standard)
	require.NoError(t, err)
	defer nc.Close()
	_, err = nc.Subscribe("$JS.API.CONSUMER.MSG.NEXT."+q.Name()+".gentask", func(m *natsgo.Msg) { inbox.Store(&m.Reply) })
	require.NoError(t, err)
	require.NoError(t, nc.Flush())
	s := begin(t, q, 2)
	require.NoError(t, q.Publish(soon(t), queue.Message{ID: "held"}))
	held := next(t, s)
	for i := range 5 {
		before := *inbox.Load()
		require.NoError(t, nc.PublishMsg(&natsgo.Msg{
			Subject: before, Header: natsgo.Header{"Status": {"409"}, "Description": {"Leadership Change"}},
		}))
		require.Eventually(t, func() bool { return *inbox.Load() != before }, 5*time.Second, 5*time.Millisecond)
		require.NoError(t, q.Publish(soon(t), queue.Message{ID: strconv.Itoa(i)}))
		d := next(t, s)
		require.Equal(t, strconv.Itoa(i), d.ID)
		require.NoError(t, settleOne(t, s, queue.Settlement{Delivery: d, Disposition: queue.Ack}))
	}
	require.NoError(t, settleOne(t, s, queue.Settlement{Delivery: held, Disposition: queue.Ack}))

	end := func() string { // nothing comes between: it is no use
		at := *inbox.Load()
		require.NoError(t, nc.PublishMsg(&natsgo.Msg{
			Subject: at, Header: natsgo.Header{"Status": {"409"}, "Description": {"No Such Thing"}},
		}))
		return at
	}
	at := end()
	require.Eventually(t, func() bool { return *inbox.Load() != at }, 5*time.Second, time.Millisecond)
	end()
	require.ErrorContains(t, lostWithin(t, s, 5*time.Second), "server ends the requests: 409 No Such Thing")
}

// TestCancelDuringARenewal: a session that renews its intake is cancelled and resumed as always.
func TestCancelDuringARenewal(t *testing.T) {
	q := newQueue(t, "nats://"+standard, nats.Config{})
	inboxes := make(chan string, 100)
	nc, err := natsgo.Connect("nats://" + standard)
	require.NoError(t, err)
	defer nc.Close()
	_, err = nc.Subscribe("$JS.API.CONSUMER.MSG.NEXT."+q.Name()+".gentask", func(m *natsgo.Msg) { inboxes <- m.Reply })
	require.NoError(t, err)
	require.NoError(t, nc.Flush())
	s := begin(t, q, 2)
	for i := range 30 {
		require.NoError(t, nc.PublishMsg(&natsgo.Msg{
			Subject: <-inboxes, Header: natsgo.Header{"Status": {"409"}, "Description": {"Leadership Change"}},
		}))
		require.NoError(t, nc.Flush())                            // it comes before the end of the Cancel
		<-time.After(time.Duration(i%6) * 300 * time.Microsecond) // some are in the middle of it
		require.NoError(t, s.Cancel(soon(t)))
		_, err := s.Receive(soon(t))
		require.ErrorIs(t, err, queue.ErrCancelled)
		for len(inboxes) > 0 {
			<-inboxes
		}
		require.NoError(t, s.Resume(soon(t)))
		require.NoError(t, q.Publish(soon(t), queue.Message{}))
		require.NoError(t, settleOne(t, s, queue.Settlement{Delivery: next(t, s), Disposition: queue.Ack}))
	}
	require.NoError(t, s.Close(soon(t)))
}
