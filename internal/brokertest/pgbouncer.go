//go:build unix

package brokertest

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// bouncerGuard runs PgBouncer until its standard input ends, as it does with the test process.
const bouncerGuard = `"$1" -q "$2" & bouncer=$!
read -r _
kill "$bouncer"
wait "$bouncer"`

// PgBouncer returns the URL of a PgBouncer in transaction mode in front of the PostgreSQL server on
// a port of this machine, for the user postgres. It ends with the test, and with the test process.
func PgBouncer(t testing.TB, port int) string {
	t.Helper()
	program, err := exec.LookPath("pgbouncer")
	if err != nil {
		program = "/usr/sbin/pgbouncer"
	}
	require.FileExists(t, program, "install pgbouncer")
	ports, err := FreePorts(1)
	require.NoError(t, err)
	dir, err := os.MkdirTemp("", "gentask-pgbouncer-") //nolint:usetesting // the server's user must reach it
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	require.NoError(t, give(dir))
	config := filepath.Join(dir, "pgbouncer.ini")
	require.NoError(t, os.WriteFile(config, fmt.Appendf(nil, `[databases]
* = host=127.0.0.1 port=%d user=postgres
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = %d
unix_socket_dir =
auth_type = any
pool_mode = transaction
max_client_conn = 1000
default_pool_size = 20
server_login_retry = 0.5
`, port, ports[0]), 0o644)) //nolint:gosec // the server's user reads it

	cmd := exec.Command("/bin/sh", "-c", bouncerGuard, "sh", program, config) //nolint:gosec // our own arguments
	asServer(cmd)
	log, err := os.Create(filepath.Join(dir, "log"))
	require.NoError(t, err)
	defer log.Close()
	cmd.Stdout, cmd.Stderr = log, log
	line, err := cmd.StdinPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = line.Close()
		_ = cmd.Wait() // it was told to end
		if t.Failed() {
			text, _ := os.ReadFile(log.Name())
			t.Logf("what PgBouncer wrote: %s", text)
		}
	})
	at := net.JoinHostPort("127.0.0.1", strconv.Itoa(ports[0]))
	require.Eventually(t, func() bool {
		conn, err := net.DialTimeout("tcp", at, time.Second)
		if err == nil {
			_ = conn.Close()
		}
		return err == nil
	}, startTime, 20*time.Millisecond, "PgBouncer does not answer: see %s", log.Name())
	return "postgres://postgres@" + at + "/postgres?sslmode=disable"
}
