package brokertest

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"sync"
	"testing"
)

// postgresEnv is the variable with the URL of the PostgreSQL server for the tests.
const postgresEnv = "GENTASK_POSTGRES_URL"

// PostgresConfig is the configuration of a server that [StartPostgres] starts. Its zero value is
// right.
type PostgresConfig struct {
	// Version is one of scripts/get-postgres; empty is that of [PostgresVersionEnv].
	Version string

	// Settings are parameters of postgresql.conf, beside those that make the server a private one.
	Settings map[string]string

	// SmallDisk is the size of a file system of its own, such as "64m", for the tablespace
	// [SmallTablespace]. Empty is none. It needs root.
	SmallDisk string
}

// SmallTablespace is the name of the tablespace on the small disk.
const SmallTablespace = "small"

// postgres is found once for each test process, because a private server takes two seconds to
// start.
var postgres = sync.OnceValues(findPostgres)

// Postgres returns the URL of a PostgreSQL server, in which the user may do everything: the one in
// GENTASK_POSTGRES_URL, else a private one, which is started for this test process and ends with
// it. The one on the standard port is never used: tests change settings that concern a whole
// server, and need a server that vacuums. Without a server the test fails with the reason.
func Postgres(t testing.TB) string {
	t.Helper()
	at, err := postgres()
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// FindPostgres is [Postgres] for an Example, which has no testing.TB.
func FindPostgres() (string, error) { return postgres() }

func findPostgres() (string, error) {
	if named := os.Getenv(postgresEnv); named != "" {
		if err := probePostgres(named); err != nil {
			return "", fmt.Errorf("brokertest: %s names a PostgreSQL that does not answer: %w", postgresEnv, err)
		}
		return named, nil
	}
	server, err := StartPostgres(PostgresConfig{})
	if err != nil {
		return "", fmt.Errorf("brokertest: no PostgreSQL: %s is not set, a private one: %w", postgresEnv, err)
	}
	keep(server)
	return server.URL(), nil
}

// probePostgres connects and disconnects, without a login.
func probePostgres(at string) error {
	u, err := url.Parse(at)
	if err != nil {
		return errors.New("it is not a URL")
	}
	host := u.Host
	if u.Port() == "" {
		host = net.JoinHostPort(u.Hostname(), "5432")
	}
	conn, err := net.DialTimeout("tcp", host, probeTime)
	if err != nil {
		return fmt.Errorf("%s: %w", redacted(at), err)
	}
	return conn.Close()
}
