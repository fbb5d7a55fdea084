package brokertest

import (
	"fmt"
	"os"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	natsgo "github.com/nats-io/nats.go"
)

const (
	// natsEnv names the variable that says which NATS server the tests are to use.
	natsEnv = "GENTASK_NATS_URL"

	natsDefault = "nats://127.0.0.1:4222"
)

// NATS returns the URL of a NATS server with JetStream: the one that GENTASK_NATS_URL names, else the one on this machine's standard port, else
// that of a server of the test's own, in this process, on a free port, which ends with the test. Without any of them the test fails and says
// what was tried.
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
		t.Fatalf("brokertest: no NATS server: %s is not set, 127.0.0.1:4222 says %v, and one of the test's own says: %v", natsEnv, probed, err)
	}
	return at
}

// probeNATS connects and leaves again.
func probeNATS(at string) error {
	conn, err := natsgo.Connect(at, natsgo.Timeout(probeTime), natsgo.NoReconnect())
	if err != nil {
		return fmt.Errorf("%s: %w", redacted(at), err)
	}
	conn.Close()
	return nil
}

// OwnNATS returns the URL of a NATS server with JetStream of the test's own, as NATS starts it where
// there is no other. It is for what older servers do wrong: its version is that of go.mod.
func OwnNATS(t testing.TB) string {
	t.Helper()
	at, err := startNATS(t)
	if err != nil {
		t.Fatalf("brokertest: no NATS server of the test's own: %v", err)
	}
	return at
}

// startNATS starts a server for one test: it takes a few milliseconds, and none of its goroutines is left for the others.
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
