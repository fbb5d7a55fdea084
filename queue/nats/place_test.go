package nats_test

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	natsgo "github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/nats"
)

// TestSubjectIsKept: by each way back to the queue, and by a redrive.
func TestSubjectIsKept(t *testing.T) {
	const subject = "jobs.eu.invoice"
	serverURL := newest(t)
	setup(t, serverURL, "jobs", map[string]any{"subjects": []string{"jobs", "jobs.>"}}, nil)
	q := newBroker(t, serverURL, nats.Config{}).Queue("jobs")
	js := bare(t, serverURL)
	s := begin(t, q, 1)
	stored := func() string {
		stream, err := js.Stream(soon(t), "jobs")
		require.NoError(t, err)
		raw, err := stream.GetMsg(soon(t), stream.CachedInfo().State.LastSeq)
		require.NoError(t, err)
		return raw.Subject
	}
	_, err := js.PublishMsg(soon(t), &natsgo.Msg{Subject: subject, Data: []byte("1")})
	require.NoError(t, err)
	attempt := 1
	for _, one := range []queue.Settlement{
		{Disposition: queue.Release},
		{Disposition: queue.Release, After: 100 * time.Millisecond},
		{Disposition: queue.Requeue, After: 100 * time.Millisecond},
		{Disposition: queue.Requeue, Uncounted: 1},
	} {
		one.Delivery = next(t, s)
		require.Equal(t, attempt, one.Delivery.Attempt)
		one.Attempt = attempt
		require.NoError(t, settleOne(t, s, one))
		require.Equal(t, subject, stored(), "%+v", one)
		if one.Disposition == queue.Requeue {
			attempt++
		}
	}
	require.NoError(t, settleOne(t, s, queue.Settlement{Delivery: next(t, s), Disposition: queue.DeadLetter}))
	n, err := q.Letters().Redrive(soon(t), queue.LetterFilter{}, queue.RedriveOptions{})
	require.NoError(t, err)
	require.Equal(t, 1, n)
	d := next(t, s)
	require.Equal(t, subject, stored())
	require.NotContains(t, d.Headers, "gentask-redrive-subject")
	require.NoError(t, settleOne(t, s, queue.Settlement{Delivery: d, Disposition: queue.Release}))
	require.Equal(t, subject, stored())
}

// works publishes, consumes, dead-letters and gives back.
func works(t *testing.T, q *nats.Queue) {
	t.Helper()
	key := uniqueName()
	require.NoError(t, q.Publish(soon(t), queue.Message{UniqueKey: key, Body: []byte("1")}))
	results, err := q.PublishResults(soon(t), queue.Message{UniqueKey: key})
	require.NoError(t, err)
	require.True(t, results[0].Duplicate)
	s := begin(t, q, 2)
	d := next(t, s)
	require.Equal(t, "1", string(d.Body))
	require.NoError(t, settleOne(t, s, queue.Settlement{Delivery: d, Disposition: queue.Release, After: time.Second}))
	d = next(t, s)
	require.NoError(t, settleOne(t, s, queue.Settlement{Delivery: d, Disposition: queue.DeadLetter}))
	redriven, err := q.Letters().Redrive(soon(t), queue.LetterFilter{}, queue.RedriveOptions{})
	require.NoError(t, err)
	require.Equal(t, 1, redriven)
	n, err := q.Backlog(soon(t))
	require.NoError(t, err)
	require.LessOrEqual(t, n, 1)
	require.NoError(t, s.Cancel(soon(t)))
	require.NoError(t, s.Resume(soon(t)))
	d = next(t, s)
	require.NoError(t, settleOne(t, s, queue.Settlement{Delivery: d, Disposition: queue.Ack}))
	require.NoError(t, s.Close(soon(t)))
}

// TestDomain: the JetStream of a hub is used from a leaf node, which has none.
func TestDomain(t *testing.T) {
	hub := ownServer(t, server.Options{
		JetStream: true, JetStreamDomain: "hub",
		LeafNode: server.LeafNodeOpts{Host: "127.0.0.1", Port: server.RANDOM_PORT},
	})
	works(t, newBroker(t, hub.ClientURL(), nats.Config{}).Queue("direct"))
	leaf := leafOf(t, hub)
	require.ErrorIs(t, open(t, newBroker(t, leaf.ClientURL(), nats.Config{}).Queue("jobs")), nats.ErrNoJetStream)
	q := newBroker(t, leaf.ClientURL(), nats.Config{Domain: "hub"}).Queue("jobs")
	until(t, "the leaf node knows the hub's subjects", func() bool { return open(t, q) == nil })
	works(t, q)
}

// leafOf starts a leaf node without JetStream, and returns when it is connected.
func leafOf(t *testing.T, hub *server.Server) *server.Server {
	t.Helper()
	about, err := hub.Varz(nil)
	require.NoError(t, err)
	at := &url.URL{Scheme: "nats", Host: fmt.Sprintf("127.0.0.1:%d", about.LeafNode.Port)}
	before := hub.NumLeafNodes()
	leaf := ownServer(t, server.Options{
		LeafNode:         server.LeafNodeOpts{Remotes: []*server.RemoteLeafOpts{{URLs: []*url.URL{at}}}},
		LameDuckDuration: 4 * time.Second, LameDuckGracePeriod: 3 * time.Second,
	})
	require.Eventually(t, func() bool { return hub.NumLeafNodes() > before && leaf.NumLeafNodes() > 0 },
		10*time.Second, 10*time.Millisecond)
	return leaf
}

// configured starts a server with a configuration file.
func configured(t *testing.T, config string) *server.Server {
	t.Helper()
	file := filepath.Join(t.TempDir(), "nats.conf")
	require.NoError(t, os.WriteFile(file, []byte(config), 0o600))
	opts, err := server.ProcessConfigFile(file)
	require.NoError(t, err)
	opts.Port, opts.JetStream = server.RANDOM_PORT, true
	return ownServer(t, *opts)
}

// TestAPIPrefix: an account imports the JetStream of another under another subject.
func TestAPIPrefix(t *testing.T) {
	s := configured(t, `
		accounts {
			HUB {
				jetstream: enabled
				users: [{user: hub, password: h}]
				exports: [
					{service: "$JS.API.>", response_type: stream}
					{service: "$JS.ACK.>"}
					{service: "jobs"}
					{service: "jobs-dead"}
					{service: "jobs-keys.*"}
				]
			}
			APP {
				users: [{user: app, password: a}]
				imports: [
					{service: {account: HUB, subject: "$JS.API.>"}, to: "JS.hub.API.>"}
					{service: {account: HUB, subject: "$JS.ACK.>"}}
					{service: {account: HUB, subject: "jobs"}}
					{service: {account: HUB, subject: "jobs-dead"}}
					{service: {account: HUB, subject: "jobs-keys.*"}}
				]
			}
		}`)
	at := "nats://app:a@" + s.Addr().String()
	require.ErrorIs(t, open(t, newBroker(t, at, nats.Config{}).Queue("jobs")), nats.ErrNoJetStream)
	works(t, newBroker(t, at, nats.Config{APIPrefix: "JS.hub.API"}).Queue("jobs"))
}

// TestAccountThatRequiresMaxBytes: the error names the option, which holds for all streams. A
// stream of keys that was made by hand is left as it is.
func TestAccountThatRequiresMaxBytes(t *testing.T) {
	s := configured(t, `
		accounts {
			A {
				jetstream { max_mem: 1MB, max_file: 100MB, max_bytes_required: true }
				users: [{user: a, password: a}]
			}
		}`)
	at := "nats://a:a@" + s.Addr().String()
	q := newBroker(t, at, nats.Config{}).Queue("jobs")
	for _, err := range []error{q.Publish(soon(t), queue.Message{}), open(t, q)} {
		require.ErrorIs(t, err, queue.ErrConfig)
		require.ErrorContains(t, err, "Config.MaxBytes is 0, must be the size of each stream")
	}
	works(t, newBroker(t, at, nats.Config{MaxBytes: 1 << 20}).Queue("jobs"))

	js := bare(t, at)
	for _, name := range []string{"jobs", "jobs-dead", "jobs-keys"} {
		stream, err := js.Stream(soon(t), name)
		require.NoError(t, err)
		require.EqualValues(t, 1<<20, stream.CachedInfo().Config.MaxBytes, name)
	}
	works(t, newBroker(t, at, nats.Config{Lease: 5 * time.Second}).Queue("jobs"))
}

func TestBadPlaceIsRefused(t *testing.T) {
	for text, cfg := range map[string]nats.Config{
		`Config.Domain is "a.b"`:                {Domain: "a.b"},
		`Config.APIPrefix is "JS.hub.API."`:     {APIPrefix: "JS.hub.API."},
		`Config.APIPrefix is "JS.>"`:            {APIPrefix: "JS.>"},
		`must be one of the two`:                {Domain: "hub", APIPrefix: "JS.hub.API"},
		`Config.MaxBytes is -1, must be zero (`: {MaxBytes: -1},
	} {
		_, err := nats.New("nats://localhost", cfg)
		require.ErrorIs(t, err, queue.ErrConfig)
		require.ErrorContains(t, err, text)
	}
}
