package nats_test

import (
	"fmt"
	"iter"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/nats"
)

// newestStore returns a store at a server of the version of go.mod.
func newestStore(t testing.TB, cfg nats.Config) (s queue.Store, at string) {
	t.Helper()
	at = ownServer(t, server.Options{JetStream: true}).ClientURL()
	return openStore(t, at, cfg), at
}

func openStore(t testing.TB, at string, cfg nats.Config) queue.Store {
	t.Helper()
	s, err := newBroker(t, at, cfg).Store(soon(t), "fleet")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

// storeError opens a store, which must fail.
func storeError(t *testing.T, at string, cfg nats.Config) error {
	t.Helper()
	_, err := newBroker(t, at, cfg).Store(soon(t), "fleet")
	require.Error(t, err)
	return err
}

// storeWorks uses every method of a store.
func storeWorks(t *testing.T, s queue.Store) {
	t.Helper()
	next, stop := iter.Pull2(s.Watch(soon(t), "a"))
	defer stop()
	expect := func(kind queue.ChangeKind) {
		t.Helper()
		c, err, more := next()
		for more && c.Kind == queue.ChangeAlive && kind != queue.ChangeAlive {
			c, err, more = next() // the machine may be slow
		}
		require.NoError(t, err)
		require.True(t, more, "no change came in time")
		require.Equal(t, kind, c.Kind)
	}
	expect(queue.ChangeCurrent)
	first, err := s.Put(soon(t), "a.b", []byte("1"), queue.Absent, time.Hour)
	require.NoError(t, err)
	expect(queue.ChangeSet) // before it is replaced
	_, err = s.Put(soon(t), "a.b", []byte("2"), first, 0)
	require.NoError(t, err)
	expect(queue.ChangeSet)
	got, err := s.Get(soon(t), "a.b")
	require.NoError(t, err)
	require.Equal(t, "2", string(got.Value))
	n, err := s.Count(soon(t), "")
	require.NoError(t, err)
	require.Equal(t, 1, n)
	require.NoError(t, s.Clear(soon(t), "a"))
	expect(queue.ChangeGone)
	_, err = s.Put(soon(t), "a.b", nil, queue.Absent, 0)
	require.NoError(t, err)
	expect(queue.ChangeSet)
	expect(queue.ChangeAlive)
	require.NoError(t, s.Delete(soon(t), "a.b", queue.Always))
	expect(queue.ChangeGone)
	_, err = s.Facts(soon(t))
	require.NoError(t, err)
}

func busWorks(t *testing.T, b *nats.Broker) {
	t.Helper()
	one, err := b.Bus(soon(t), "fleet")
	require.NoError(t, err)
	defer func() { require.NoError(t, one.Close()) }()
	_, err = one.Answer("who", func([]byte) []byte { return []byte("me") })
	require.NoError(t, err)
	for answer, err := range one.Ask(soon(t), "who", nil) {
		require.NoError(t, err)
		require.Equal(t, "me", string(answer))
		break
	}
}

// A server that can't end single messages is refused, by its version.
func TestStore_OldServer(t *testing.T) {
	nc, err := natsgo.Connect("nats://" + standard)
	require.NoError(t, err)
	version := nc.ConnectedServerVersion()
	nc.Close()
	if !strings.HasPrefix(version, "2.9.") && !strings.HasPrefix(version, "2.10.") {
		t.Skip("the standard server is new: ", version)
	}
	err = storeError(t, "nats://"+standard, nats.Config{})
	require.ErrorIs(t, err, queue.ErrConfig)
	require.ErrorContains(t, err, version)
	require.ErrorContains(t, err, "2.11.0 or newer")
	busWorks(t, newBroker(t, "nats://"+standard, nats.Config{}))
}

// A bucket with other properties is refused, and each is named.
func TestStore_Mismatch(t *testing.T) {
	at := ownServer(t, server.Options{JetStream: true}).ClientURL()
	_, err := bare(t, at).CreateKeyValue(soon(t), jetstream.KeyValueConfig{Bucket: "gentask_fleet", History: 5, TTL: time.Hour})
	require.NoError(t, err)
	err = storeError(t, at, nats.Config{})
	var mismatch *nats.MismatchError
	require.ErrorAs(t, err, &mismatch)
	require.ErrorIs(t, err, queue.ErrConfig)
	for _, text := range []string{"allow_msg_ttl", "max_age is 1h0m0s", "max_msgs_per_subject is 5", "subject_delete_marker_ttl"} {
		require.ErrorContains(t, err, text)
	}
}

// The tools for NATS find the records.
func TestStore_IsABucket(t *testing.T) {
	s, at := newestStore(t, nats.Config{})
	revision, err := s.Put(soon(t), "a.b", []byte("v"), queue.Absent, 0)
	require.NoError(t, err)
	kv, err := bare(t, at).KeyValue(soon(t), "gentask_fleet")
	require.NoError(t, err)
	got, err := kv.Get(soon(t), "a.b./")
	require.NoError(t, err)
	require.Equal(t, "v", string(got.Value()))
	require.EqualValues(t, revision, got.Revision())
	require.NoError(t, kv.Delete(soon(t), "a.b./"))
	_, err = s.Get(soon(t), "a.b")
	require.ErrorIs(t, err, queue.ErrNoRecord)
	_, err = kv.Put(soon(t), "of.another", []byte("v"))
	require.NoError(t, err)
	n, err := s.Count(soon(t), "")
	require.NoError(t, err)
	require.Zero(t, n, "a key that no store has")
}

// The JetStream of a hub is used from a leaf node.
func TestStore_Domain(t *testing.T) {
	hub := ownServer(t, server.Options{
		JetStream: true, JetStreamDomain: "hub",
		LeafNode: server.LeafNodeOpts{Host: "127.0.0.1", Port: server.RANDOM_PORT},
	})
	leaf := leafOf(t, hub)
	cfg := nats.Config{Domain: "hub"}
	b := newBroker(t, leaf.ClientURL(), cfg)
	until(t, "the leaf node has the hub's subjects", func() bool {
		s, err := b.Store(soon(t), "fleet")
		return err == nil && s.Close() == nil
	})
	storeWorks(t, openStore(t, leaf.ClientURL(), cfg))
	busWorks(t, b)
}

// An account imports the JetStream of another under another subject, and the subjects of the store.
func TestStore_APIPrefix(t *testing.T) {
	s := configured(t, `
		accounts {
			HUB {
				jetstream: enabled
				users: [{user: hub, password: h}]
				exports: [
					{service: "$JS.API.>", response_type: stream}
					{service: "$KV.gentask_fleet.>"}
				]
			}
			APP {
				users: [{user: app, password: a}]
				imports: [
					{service: {account: HUB, subject: "$JS.API.>"}, to: "JS.hub.API.>"}
					{service: {account: HUB, subject: "$KV.gentask_fleet.>"}}
				]
			}
		}`)
	at := "nats://app:a@" + s.Addr().String()
	storeWorks(t, openStore(t, at, nats.Config{APIPrefix: "JS.hub.API"}))
}

// An account that requires a size for each stream: the error names the option. A store that is full
// takes no more records, loses none, and can be cleared.
func TestStore_Size(t *testing.T) {
	s := configured(t, `
		accounts {
			A {
				jetstream { max_mem: 1MB, max_file: 100MB, max_bytes_required: true }
				users: [{user: a, password: a}]
			}
		}`)
	at := "nats://a:a@" + s.Addr().String()
	err := storeError(t, at, nats.Config{})
	require.ErrorIs(t, err, queue.ErrConfig)
	require.ErrorContains(t, err, "Config.MaxBytes is 0, must be the size of each stream")
	full := openStore(t, at, nats.Config{MaxBytes: 1 << 20})
	n := 0
	for err = nil; err == nil; n++ {
		_, err = full.Put(soon(t), fmt.Sprintf("k%d", n), make([]byte, 100<<10), queue.Always, 0)
		require.Less(t, n, 20)
	}
	require.ErrorIs(t, err, queue.ErrUnavailable)
	require.NotErrorIs(t, err, queue.ErrUncertain)
	count, err := full.Count(soon(t), "")
	require.NoError(t, err)
	require.Equal(t, n-1, count)
	require.NoError(t, full.Delete(soon(t), "k0", queue.Always))
	_, err = full.Put(soon(t), "k0", make([]byte, 50<<10), queue.Absent, 0)
	require.NoError(t, err)
}

// Each right of docs/drivers.md is needed, and a missing one is an error at once, which names it.
func TestSeams_Rights(t *testing.T) {
	publish := []string{
		"$JS.API.STREAM.INFO.KV_gentask_fleet", "$JS.API.STREAM.CREATE.KV_gentask_fleet",
		"$JS.API.STREAM.MSG.GET.KV_gentask_fleet", "$JS.API.CONSUMER.CREATE.KV_gentask_fleet.>",
		"$JS.API.CONSUMER.MSG.NEXT.KV_gentask_fleet.*", "$JS.API.CONSUMER.DELETE.KV_gentask_fleet.*",
		"$KV.gentask_fleet.>", "gentask.bus.fleet.>", "_INBOX.>",
	}
	subscribe := []string{"_INBOX.>", "gentask.bus.fleet.>"}
	with := func(publish, subscribe []string) string {
		quoted := func(list []string) string { return `["` + strings.Join(list, `", "`) + `"]` }
		s := configured(t, fmt.Sprintf(`authorization { users: [{user: a, password: a, permissions: {
			publish: %s, subscribe: %s}}] }`, quoted(publish), quoted(subscribe)))
		return "nats://a:a@" + s.Addr().String()
	}
	all := with(publish, subscribe)
	storeWorks(t, openStore(t, all, nats.Config{}))
	busWorks(t, newBroker(t, all, nats.Config{}))
	without := func(list []string, i int) []string { return append(append([]string{}, list[:i]...), list[i+1:]...) }

	refused := func(err error, subject string) {
		t.Helper()
		require.ErrorIs(t, err, queue.ErrConfig)
		require.ErrorContains(t, err, strings.TrimRight(subject, ">*"))
	}
	for _, i := range []int{0, 1} {
		refused(storeError(t, with(without(publish, i), subscribe), nats.Config{}), publish[i])
	}
	s := openStore(t, with(without(publish, 2), subscribe), nats.Config{})
	_, err := s.Get(soon(t), "k")
	refused(err, publish[2])
	s = openStore(t, with(without(publish, 3), subscribe), nats.Config{})
	_, err = s.Put(soon(t), "k", nil, queue.Always, 0)
	require.NoError(t, err)
	_, err = s.Count(soon(t), "")
	refused(err, publish[3])
	for _, err := range s.Watch(soon(t), "") {
		refused(err, publish[3])
	}
	s = openStore(t, with(without(publish, 6), subscribe), nats.Config{})
	_, err = s.Put(soon(t), "k", nil, queue.Always, 0)
	refused(err, publish[6])
	b, err := newBroker(t, with(without(publish, 7), subscribe[:1]), nats.Config{}).Bus(soon(t), "fleet")
	require.NoError(t, err)
	_, err = b.Answer("who", func([]byte) []byte { return nil })
	refused(err, subscribe[1])
	for _, err := range b.Ask(soon(t), "who", nil) {
		refused(err, subscribe[1])
	}
	require.NoError(t, b.Close())
}

// Loops that have ended leave no consumer at the server.
func TestWatch_LeavesNothing(t *testing.T) {
	s, at := newestStore(t, nats.Config{})
	for range 5 {
		for _, err := range s.Watch(soon(t), "") {
			require.NoError(t, err)
			break
		}
		_, err := s.Put(soon(t), "k", nil, queue.Always, 0)
		require.NoError(t, err)
		_, err = s.Count(soon(t), "")
		require.NoError(t, err)
	}
	stream, err := bare(t, at).Stream(soon(t), "KV_gentask_fleet")
	require.NoError(t, err)
	until(t, "there is no consumer", func() bool {
		about, err := stream.Info(soon(t))
		return err == nil && about.State.Consumers == 0
	})
}
