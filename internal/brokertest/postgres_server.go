//go:build unix

package brokertest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// postgresGuard reads lines with the process of the server that runs now, the last line counts,
// until its standard input ends: only the test process holds it open. Then it ends the server with
// its processes, gives its shared memory back, and removes the directory.
const postgresGuard = `while read -r line; do server=$line; done
if [ "$server" ]; then
	family=$server
	for stat in /proc/[0-9]*/stat; do
		read -r pid name state parent rest <"$stat" && [ "$parent" = "$server" ] && family="$family $pid"
	done
	kill -CONT $family
	kill -QUIT "$server"
	for i in 1 2 3 4 5 6 7 8 9 10; do kill -0 "$server" || break; sleep 0.1; done
	kill -9 $family
fi 2>/dev/null
memory=$(sed -n '7s/.* //p' "$1/data/postmaster.pid") 2>/dev/null && [ "$memory" ] && ipcrm -m "$memory" 2>/dev/null
for i in 1 2 3 4 5; do rm -rf -- "$1" 2>/dev/null && exit; sleep 0.2; done`

// PostgresServer is a private PostgreSQL server: its own data, port and socket, loopback only. It
// ends with Close, and with the test process, however that ends. Where the test process is root,
// the server has an unprivileged user. Its methods are for one goroutine.
type PostgresServer struct {
	programs PostgresPrograms
	dir      string
	port     int
	small    string // size of the small disk
	standby  bool
	guard    *exec.Cmd
	line     io.WriteCloser
	process  *exec.Cmd // nil: it is down
}

// StartPostgres starts a server on new data and returns when it answers.
func StartPostgres(cfg PostgresConfig) (*PostgresServer, error) {
	programs, err := FindPostgresPrograms(cfg.Version)
	if err != nil {
		return nil, err
	}
	return newPostgres(programs, cfg.SmallDisk, func(p *PostgresServer) error {
		template, err := postgresTemplate(programs)
		if err != nil {
			return err
		}
		if err := p.run(exec.Command("cp", "-a", template, p.data())); err != nil { //nolint:gosec // our own directories
			return err
		}
		return p.configure(cfg.Settings)
	})
}

// newPostgres makes a server whose data come from fill, and starts it.
func newPostgres(programs PostgresPrograms, small string, fill func(*PostgresServer) error) (*PostgresServer, error) {
	p := &PostgresServer{programs: programs, small: small}
	if err := p.settle(); err != nil {
		return nil, err
	}
	ports, err := FreePorts(1)
	if err == nil {
		p.port = ports[0]
		err = fill(p)
	}
	if err == nil {
		err = p.Start()
	}
	if err == nil && small != "" {
		_, err = p.SQL("CREATE TABLESPACE " + SmallTablespace + " LOCATION " + quoted(p.disk()))
	}
	if err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return p, nil
}

// settle makes the directory, and starts its guard.
func (p *PostgresServer) settle() error {
	var err error
	if p.dir, err = os.MkdirTemp("", "gentask-postgres-"); err != nil {
		return err
	}
	if err := give(p.dir); err != nil {
		return errors.Join(err, os.RemoveAll(p.dir))
	}
	p.guard = exec.Command("/bin/sh", "-c", postgresGuard, "guard", p.dir) //nolint:gosec // our own directory
	ownGroup(p.guard)                                                      // an interrupt at the terminal is not for the guard
	if p.line, err = p.guard.StdinPipe(); err != nil {
		return err
	}
	return p.guard.Start()
}

// postgresTemplate returns new data, of which servers get copies: to make them takes two seconds.
// It ends with the test process.
func postgresTemplate(programs PostgresPrograms) (string, error) {
	templates.Lock()
	defer templates.Unlock()
	if made := templates.of[programs.bin]; made != nil {
		return made.data(), nil
	}
	p := &PostgresServer{programs: programs}
	if err := p.settle(); err != nil {
		return "", err
	}
	init := p.command("initdb", "-D", p.data(), "-U", "postgres", "-A", "trust", "--locale=C.UTF-8", "-E", "UTF8",
		"--no-sync", "--no-instructions")
	if err := p.run(init); err != nil {
		return "", errors.Join(err, p.Close())
	}
	templates.of[programs.bin] = p
	return p.data(), nil
}

var templates = struct {
	sync.Mutex
	of map[string]*PostgresServer // by the directory of the programs
}{of: map[string]*PostgresServer{}}

// configure writes the settings behind those of initdb: the last one counts.
func (p *PostgresServer) configure(settings map[string]string) error {
	all := map[string]string{
		"listen_addresses":           "127.0.0.1",
		"port":                       strconv.Itoa(p.port),
		"unix_socket_directories":    p.dir,
		"autovacuum":                 "on",
		"fsync":                      "on",
		"timezone":                   "GMT", // which needs no files
		"log_timezone":               "GMT",
		"dynamic_shared_memory_type": "mmap", // which is in the data, and ends with them
		"wal_level":                  "replica",
		"max_wal_senders":            "10",
	}
	if p.programs.fetched {
		all["jit"] = "off" // its library is not fetched
	}
	maps.Copy(all, settings)
	var text strings.Builder
	for _, name := range slices.Sorted(maps.Keys(all)) {
		fmt.Fprintf(&text, "%s = %s\n", name, quoted(all[name]))
	}
	f, err := os.OpenFile(filepath.Join(p.data(), "postgresql.conf"), os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.WriteString(f, text.String())
	return errors.Join(err, f.Close())
}

// quoted is a string in SQL, and in postgresql.conf.
func quoted(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

func (p *PostgresServer) data() string { return filepath.Join(p.dir, "data") }
func (p *PostgresServer) disk() string { return filepath.Join(p.dir, "disk") }

// command is a program of PostgreSQL's, as the server's user.
func (p *PostgresServer) command(program string, args ...string) *exec.Cmd {
	cmd := exec.Command(p.programs.Path(program), args...) //nolint:gosec // our own arguments
	cmd.Dir = p.dir
	cmd.Env = append(os.Environ(), "TZ=GMT", "HOME="+p.dir)
	asServer(cmd)
	return cmd
}

// run runs a command to its end. Its output is part of the error.
func (p *PostgresServer) run(cmd *exec.Cmd) error {
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("brokertest: %s: %w: %s (PostgreSQL runs as user 65534 when a test is root, and must reach %s)",
			filepath.Base(cmd.Path), err, out, p.programs.bin)
	}
	return nil
}

// URL is the server's, for the user postgres and the database postgres.
func (p *PostgresServer) URL() string {
	return fmt.Sprintf("postgres://postgres@127.0.0.1:%d/postgres?sslmode=disable", p.port)
}

// Version returns the version of the server, such as "15.20".
func (p *PostgresServer) Version() string { return p.programs.Version() }

// sqlTime bounds one call of psql.
const sqlTime = time.Minute

// SQL runs statements as an operator does, in the database postgres, and returns what the last one
// returns: a line for each row, with "|" between its columns.
func (p *PostgresServer) SQL(statements ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), sqlTime)
	defer cancel()
	args := []string{"-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", p.URL()}
	for _, s := range statements {
		args = append(args, "-c", s)
	}
	var why bytes.Buffer
	cmd := exec.CommandContext(ctx, p.programs.Path("psql"), args...) //nolint:gosec // our own statements
	cmd.Stderr = &why
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("brokertest: %q: %w: %s", statements, err, why.Bytes())
	}
	return strings.TrimSpace(string(out)), nil
}

// Log returns the end of what the server wrote.
func (p *PostgresServer) Log() string {
	const most = 2000
	text, err := os.ReadFile(filepath.Join(p.dir, "log"))
	if err != nil {
		return err.Error()
	}
	return string(text[max(0, len(text)-most):])
}
