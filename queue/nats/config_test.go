package nats_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/nats"
)

// soon returns a context that bounds all waits of a test.
func soon(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func TestBadValuesAreNamed(t *testing.T) {
	for _, tc := range []struct {
		url  string
		cfg  nats.Config
		text string
	}{
		{"amqp://localhost", nats.Config{}, `scheme "amqp"`},
		{"localhost:4222", nats.Config{}, "must be nats, tls, ws or wss"},
		{"", nats.Config{}, `scheme ""`},
		{"nats://", nats.Config{}, "names no host"},
		{"nats://ok:1,http://bad:2", nats.Config{}, `scheme "http"`},
		{"nats://a b:c", nats.Config{}, "can't be parsed"},
		{"nats://localhost", nats.Config{Lease: time.Millisecond}, "Config.Lease is 1ms"},
		{"nats://localhost", nats.Config{Lease: -1}, "Config.Lease is -1ns"},
		{"nats://localhost", nats.Config{Replicas: 6}, "Config.Replicas is 6"},
		{"nats://localhost", nats.Config{Duplicates: time.Millisecond}, "Config.Duplicates is 1ms"},
	} {
		_, err := nats.New(tc.url, tc.cfg)
		require.ErrorIs(t, err, queue.ErrConfig, "%q %+v", tc.url, tc.cfg)
		require.ErrorContains(t, err, tc.text)
	}
	_, err := nats.NewInProcess(nil, nats.Config{})
	require.ErrorIs(t, err, queue.ErrConfig)
}

func TestErrorsShowNoPassword(t *testing.T) {
	_, err := nats.New("http://me:secret@localhost", nats.Config{})
	require.NotContains(t, err.Error(), "secret")
	for _, url := range []string{"nats://me:secret@127.0.0.1:1", "nats://secret@127.0.0.1:1"} {
		_, err = newBroker(t, url, nats.Config{}).Queue("q").Open(soon(t), queue.Options{Prefetch: 1})
		require.ErrorContains(t, err, "127.0.0.1:1")
		require.NotContains(t, err.Error(), "secret")
	}
}

func TestBadQueueNamesAreRefused(t *testing.T) {
	b := newBroker(t, "nats://"+standard, nats.Config{})
	for _, name := range []string{
		"", "a.b", "a b", "a*", "a>", "a/b", `a\b`, "a\x00", "$JS", "_INBOX-1",
		string(make([]byte, 300)),
	} {
		_, err := b.Queue(name).Open(soon(t), queue.Options{Prefetch: 1})
		require.ErrorIs(t, err, queue.ErrConfig, "%q", name)
		require.ErrorContains(t, err, "queue name")
		require.ErrorIs(t, b.Queue(name).Publish(soon(t), queue.Message{ID: "a"}), queue.ErrConfig, "%q", name)
	}
}

func TestStreamWithOtherPropertiesIsRefused(t *testing.T) {
	url, name := "nats://"+standard, uniqueName()
	t.Cleanup(func() { deleteStreams(t, name) })
	_, err := bare(t, url).CreateStream(soon(t), jetstream.StreamConfig{
		Name: name, Subjects: []string{name + ".>"}, Storage: jetstream.MemoryStorage, MaxAge: time.Hour,
	})
	require.NoError(t, err)
	q := newBroker(t, url, nats.Config{}).Queue(name)
	for _, err := range []error{q.Publish(soon(t), queue.Message{}), open(t, q)} {
		var mismatch *nats.MismatchError
		require.ErrorAs(t, err, &mismatch)
		require.ErrorIs(t, err, queue.ErrConfig)
		for _, text := range []string{
			`subjects is ["` + name + `.>"], must be a list with "` + name + `"`, "retention is limits, must be workqueue",
			"storage is memory, must be file", "max_age is 1h0m0s, must be 0",
		} {
			require.ErrorContains(t, err, text)
		}
	}
}

func TestAnotherLeaseIsRefusedAndNoneIsTakenAsItIs(t *testing.T) {
	q := newQueue(t, "nats://"+standard, nats.Config{Lease: 2 * time.Second})
	require.NoError(t, open(t, q))
	err := open(t, newBroker(t, "nats://"+standard, nats.Config{Lease: 3 * time.Second}).Queue(q.Name()))
	require.ErrorIs(t, err, queue.ErrConfig)
	require.ErrorContains(t, err, "ack_wait is 2s, must be 3s, as Config.Lease")
	require.NoError(t, open(t, newBroker(t, "nats://"+standard, nats.Config{}).Queue(q.Name())))
}

// open opens a session and closes it again.
func open(t testing.TB, q *nats.Queue) error {
	t.Helper()
	s, err := q.Open(soon(t), queue.Options{Prefetch: 1})
	if err != nil {
		return err
	}
	return errors.Join(err, s.Close(soon(t)))
}

// TestAURLWithoutASchemeShowsNoPassword, nor does one with characters in it that make another URL
// of it.
func TestAURLWithoutASchemeShowsNoPassword(t *testing.T) {
	for _, url := range []string{
		"me:secret@127.0.0.1:4222", "secret@127.0.0.1", "secret", "//me:secret@127.0.0.1", "nats:me:secret@127.0.0.1",
		"nats://127.0.0.1:4222,me:secret@127.0.0.1:4222", "nats://me:12/secret@127.0.0.1",
		"nats://me:12,secret@127.0.0.1",
		"nats://me:1#secret@127.0.0.1", "nats://me:1?secret@127.0.0.1", "me:secret@127.0.0.1/http://x",
		"nats://me:secret@",
	} {
		_, err := nats.New(url, nats.Config{})
		require.ErrorIs(t, err, queue.ErrConfig, url)
		require.ErrorContains(t, err, "must be", url)
		require.NotContains(t, err.Error(), "secret", url)
	}
}

// Every mistake is named at once, those of all URLs included.
func TestNewNamesAllMistakes(t *testing.T) {
	bad := nats.Config{Lease: -1, Replicas: 6, Duplicates: 1}
	_, err := nats.New("http://a,ftp://b", bad)
	for _, part := range []string{`scheme "http"`, `scheme "ftp"`, "Config.Lease", "Config.Replicas", "Config.Duplicates"} {
		require.ErrorContains(t, err, part)
	}
	require.ErrorIs(t, err, queue.ErrConfig)
	_, err = nats.NewInProcess(nil, bad)
	require.ErrorContains(t, err, "server is nil")
	require.ErrorContains(t, err, "Config.Lease")
}
