package brokertest

import (
	"fmt"
	"os"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	natsgo "github.com/nats-io/nats.go"
)

const (
	// natsEnv is the variable with the URL of the NATS server for the tests.
	natsEnv = "GENTASK_NATS_URL"

	natsDefault = "nats://127.0.0.1:4222"
)

// NATS returns the URL of a NATS server with JetStream: the one in GENTASK_NATS_URL, else the one
// on this machine's standard port, else one in this process, as [OwnNATS] starts it. If there is
// none of them, the test fails with the reasons.
func NATS(t testing.TB) string {
	t.Helper()
	if named := os.Getenv(natsEnv); named != "" {
		if err := probeNATS(named); err != nil {
			t.Fatalf("brokertest: %s names a NATS server that does not answer: %v", natsEnv, err)
		}
		return named
	}
	probed := probeNATS(natsDefault)
	if probed == nil {
		return natsDefault
	}
	at, err := startNATS(t)
	if err != nil {
		t.Fatalf("brokertest: no NATS server: %s is not set, 127.0.0.1:4222: %v, one of the test's own: %v", natsEnv,
			probed, err)
	}
	return at
}

// probeNATS connects and disconnects.
func probeNATS(at string) error {
	conn, err := natsgo.Connect(at, natsgo.Timeout(probeTime), natsgo.NoReconnect())
	if err != nil {
		return fmt.Errorf("%s: %w", redacted(at), err)
	}
	conn.Close()
	return nil
}

// OwnNATS starts a NATS server with JetStream in this process, on a free port, and returns its URL.
// It stops with the test. Its version is that of go.mod, for tests that an older server would fail.
func OwnNATS(t testing.TB) string {
	t.Helper()
	at, err := startNATS(t)
	if err != nil {
		t.Fatalf("brokertest: no NATS server of the test's own: %v", err)
	}
	return at
}

// startNATS starts a server for one test. It takes a few milliseconds, and leaves no goroutine.
func startNATS(t testing.TB) (string, error) {
	t.Helper()
	s, err := server.NewServer(&server.Options{
		Host: "127.0.0.1", Port: server.RANDOM_PORT, JetStream: true, StoreDir: t.TempDir(), NoSigs: true, NoLog: true,
	})
	if err != nil {
		return "", err
	}
	t.Cleanup(func() {
		s.Shutdown()
		s.WaitForShutdown()
	})
	s.Start()
	if !s.ReadyForConnections(startTime) {
		return "", fmt.Errorf("not ready within %v", startTime)
	}
	return s.ClientURL(), nil
}
