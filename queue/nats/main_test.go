package nats_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/gentask/gentask/queue/nats"
)

// standard is the address at which the tests look for a server before they start their own.
const standard = "127.0.0.1:4222"

func TestMain(m *testing.M) {
	serveChild()
	if conn, err := net.DialTimeout("tcp", standard, time.Second); err == nil {
		_ = conn.Close()
		goleak.VerifyTestMain(m, goleak.Cleanup(keep()))
		return
	}
	dir, err := os.MkdirTemp("", "gentask-nats-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	s, err := start(&server.Options{Host: "127.0.0.1", Port: 4222, StoreDir: dir, JetStream: true})
	if err != nil {
		fmt.Fprintln(os.Stderr, "no server on", standard, "and none can be started:", err)
		os.Exit(1)
	}
	goleak.VerifyTestMain(m, goleak.IgnoreCurrent(), goleak.Cleanup(func(code int) {
		stop(s)
		_ = os.RemoveAll(dir)
		os.Exit(code)
	}))
}

// keep keeps one stream at the standard server until end, because with its last stream a server
// also deletes the directory in which another one is being created.
func keep() (end func(code int)) {
	ctx, name := context.Background(), uniqueName()
	standing(func(js jetstream.JetStream) error {
		_, err := js.CreateStream(ctx, jetstream.StreamConfig{Name: name})
		return err
	})
	return func(code int) {
		standing(func(js jetstream.JetStream) error { return js.DeleteStream(ctx, name) })
		os.Exit(code)
	}
}

// standing does something at the standard server, or ends the process.
func standing(do func(js jetstream.JetStream) error) {
	nc, err := natsgo.Connect("nats://" + standard)
	if err == nil {
		defer nc.Close()
		var js jetstream.JetStream
		if js, err = jetstream.New(nc); err == nil {
			err = do(js)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// start starts a server in this process.
func start(opts *server.Options) (*server.Server, error) {
	opts.NoSigs, opts.NoLog = true, true
	s, err := server.NewServer(opts)
	if err != nil {
		return nil, err
	}
	s.Start()
	if !s.ReadyForConnections(10 * time.Second) {
		stop(s)
		return nil, fmt.Errorf("server is not ready after 10 s")
	}
	return s, nil
}

func stop(s *server.Server) {
	s.Shutdown()
	s.WaitForShutdown()
}

// ownServer starts a server on a free port, for tests that stop it or need other options.
func ownServer(t testing.TB, opts server.Options) *server.Server {
	t.Helper()
	opts.Host = "127.0.0.1"
	if opts.Port == 0 {
		opts.Port = server.RANDOM_PORT
	}
	if opts.StoreDir == "" {
		opts.StoreDir = t.TempDir()
	}
	s, err := start(&opts)
	require.NoError(t, err)
	t.Cleanup(func() { stop(s) })
	return s
}

// uniqueName returns a queue name that no other test, and no other run, has.
func uniqueName() string { return "gentask-test-" + strings.ToLower(rand.Text()[:12]) }

// newBroker returns a broker that is closed after the test.
func newBroker(t testing.TB, url string, cfg nats.Config) *nats.Broker {
	t.Helper()
	b, err := nats.New(url, cfg)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, b.Close()) })
	return b
}

// newQueue returns a queue at the standard server, which is deleted after the test.
func newQueue(t testing.TB, url string, cfg nats.Config) *nats.Queue {
	t.Helper()
	name := uniqueName()
	t.Cleanup(func() { deleteStreams(t, name, name+"-dead", name+"-keys") })
	return newBroker(t, url, cfg).Queue(name)
}

func deleteStreams(t testing.TB, names ...string) {
	t.Helper()
	js := bare(t, "nats://"+standard)
	for _, name := range names {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		_ = js.DeleteStream(ctx, name) // not every test has created both
		cancel()
	}
}

// bare returns the plain client.
func bare(t testing.TB, url string) jetstream.JetStream {
	t.Helper()
	nc, err := natsgo.Connect(url)
	require.NoError(t, err)
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	require.NoError(t, err)
	return js
}
