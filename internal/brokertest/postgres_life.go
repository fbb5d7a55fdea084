//go:build unix

package brokertest

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Start starts the server on its data, and returns when it answers. Starting one that runs does
// nothing.
func (p *PostgresServer) Start() error {
	if p.process != nil && p.alive() {
		return nil
	}
	if err := p.reap(); err != nil {
		return err
	}
	log, err := os.OpenFile(filepath.Join(p.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := p.command("postgres", "-D", p.data())
	if p.small != "" {
		if cmd, err = p.onSmallDisk(cmd); err != nil {
			return err
		}
	}
	cmd.Stdout, cmd.Stderr = log, log
	_ = os.Remove(p.pidFile()) // what it holds is of one that has ended
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("brokertest: PostgreSQL: %w", err)
	}
	p.process = cmd
	if err := p.report(strconv.Itoa(cmd.Process.Pid)); err != nil {
		return err
	}
	return p.until("it is ready", startTime, func() bool { return p.ready() || !p.alive() })
}

// ready reports whether the server takes connections, by what it writes for pg_ctl.
func (p *PostgresServer) ready() bool {
	text, err := os.ReadFile(p.pidFile())
	lines := strings.Split(string(text), "\n")
	if err != nil || len(lines) < 8 {
		return false
	}
	return slices.Contains([]string{"ready", "standby"}, strings.TrimSpace(lines[7]))
}

func (p *PostgresServer) pidFile() string { return filepath.Join(p.data(), "postmaster.pid") }

// until waits until cond holds. It returns an error when the server is not there after that.
func (p *PostgresServer) until(what string, most time.Duration, cond func() bool) error {
	for end := time.Now().Add(most); !cond(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			return fmt.Errorf("brokertest: PostgreSQL: not within %v that %s; its log: %s", most, what, p.Log())
		}
	}
	if !p.alive() {
		return fmt.Errorf("brokertest: PostgreSQL has ended before %s; its log: %s", what, p.Log())
	}
	return nil
}

// report sends the guard the process that runs.
func (p *PostgresServer) report(pid string) error {
	_, err := io.WriteString(p.line, pid+"\n")
	return err
}

// alive reports whether the server's first process has not ended.
func (p *PostgresServer) alive() bool { return p.process != nil && living(p.process.Process.Pid) }

// living reports whether a process has not ended. A zombie has.
func living(pid int) bool {
	_, state := status(strconv.Itoa(pid))
	return state != "" && state != "Z"
}

// status returns the parent and the state of a process, or nothing if there is none.
func status(pid string) (parent int, state string) {
	text, err := os.ReadFile(filepath.Join("/proc", pid, "stat"))
	if err != nil {
		return 0, ""
	}
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:])) // behind the name, which may have spaces
	if len(fields) < 2 {
		return 0, ""
	}
	parent, err = strconv.Atoi(fields[1])
	if err != nil {
		return 0, ""
	}
	return parent, fields[0]
}

// children returns the processes that the server has started. Each is the first of a group of its
// own, so that no group is all of them.
func (p *PostgresServer) children() []int {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	var all []int
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		if parent, _ := status(e.Name()); parent == p.process.Process.Pid {
			all = append(all, pid)
		}
	}
	return all
}

// Freeze stops the server with all of its processes, without a signal to its clients: connections
// stay open and silent, until Thaw.
func (p *PostgresServer) Freeze() error {
	if !p.alive() {
		return errDown
	}
	if err := freeze(p.process.Process.Pid); err != nil { // first, so that it starts no more
		return err
	}
	return freeze(p.children()...)
}

// freeze stops processes, and returns when they stand.
func freeze(pids ...int) error {
	for _, pid := range pids {
		_ = send(pid, syscall.SIGSTOP) // it may have ended
	}
	moving := func(pid int) bool {
		_, state := status(strconv.Itoa(pid))
		return !strings.Contains("TZX", state) // an empty one has ended
	}
	for end := time.Now().Add(endTime); slices.ContainsFunc(pids, moving); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			return fmt.Errorf("brokertest: PostgreSQL: not stopped within %v: processes %v", endTime, pids)
		}
	}
	return nil
}

// Thaw ends Freeze.
func (p *PostgresServer) Thaw() error {
	if !p.alive() {
		return errDown
	}
	for _, pid := range p.children() {
		_ = send(pid, syscall.SIGCONT) // it may have ended
	}
	return send(p.process.Process.Pid, syscall.SIGCONT)
}

var errDown = errors.New("brokertest: PostgreSQL is down")

// endTime bounds the end of a server.
const endTime = time.Minute

// Kill kills the server with all of its processes, as kill -9 does, and returns when they are gone.
// Data that it had not written to its disk is lost.
func (p *PostgresServer) Kill() error {
	if !p.alive() {
		return p.reap()
	}
	if err := p.Freeze(); err != nil {
		return err
	}
	family := append(p.children(), p.process.Process.Pid)
	for _, pid := range family {
		_ = send(pid, syscall.SIGKILL) // it may have ended
	}
	return p.gone(family)
}

// Stop ends the server in good order: it ends its sessions, and writes everything to its disk.
func (p *PostgresServer) Stop() error {
	if !p.alive() {
		return p.reap()
	}
	family := append(p.children(), p.process.Process.Pid)
	if err := send(p.process.Process.Pid, syscall.SIGINT); err != nil { // "fast", in the words of pg_ctl
		return err
	}
	return p.gone(family)
}

// gone returns when the processes have ended.
func (p *PostgresServer) gone(family []int) error {
	for end := time.Now().Add(endTime); slices.ContainsFunc(family, living); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			return fmt.Errorf("brokertest: PostgreSQL: processes have not ended within %v; its log: %s", endTime, p.Log())
		}
	}
	return p.reap()
}

// reap takes note of a server that has ended.
func (p *PostgresServer) reap() error {
	if p.process == nil {
		return nil
	}
	_ = p.process.Wait() // how it ended is of no interest
	p.process = nil
	return p.report("")
}

// Close ends the server at once, and removes its data.
func (p *PostgresServer) Close() error {
	err := p.quit()
	_ = p.line.Close()
	return errors.Join(err, p.guard.Wait())
}

// quit ends the server without care for its data: all that it gives back is the machine's.
func (p *PostgresServer) quit() error {
	if !p.alive() {
		return p.reap()
	}
	if err := p.Thaw(); err != nil {
		return err
	}
	family := append(p.children(), p.process.Process.Pid)
	if err := send(p.process.Process.Pid, syscall.SIGQUIT); err != nil {
		return err
	}
	return p.gone(family)
}

// SetReadOnly makes transactions read-only unless they ask for something else, or undoes it, as an
// operator does who saves a full disk.
func (p *PostgresServer) SetReadOnly(on bool) error {
	value := "off"
	if on {
		value = "on"
	}
	_, err := p.SQL("ALTER SYSTEM SET default_transaction_read_only = "+value, "SELECT pg_reload_conf()")
	return err
}

// Standby starts a second server, which follows this one and is read-only until Promote.
func (p *PostgresServer) Standby() (*PostgresServer, error) {
	return newPostgres(p.programs, "", func(s *PostgresServer) error {
		s.standby = true
		if err := s.run(s.command("pg_basebackup", "-D", s.data(), "-R", "-X", "stream", "-c", "fast", "-d", p.URL())); err != nil {
			return err
		}
		return s.configure(nil)
	})
}

// Promote makes a standby a server of its own, and returns when it takes writes.
func (p *PostgresServer) Promote() error {
	if !p.standby {
		return errors.New("brokertest: PostgreSQL: promote: this server is no standby")
	}
	out, err := p.SQL("SELECT pg_promote()")
	if err == nil && out != "t" {
		err = fmt.Errorf("brokertest: PostgreSQL: not promoted: %s", p.Log())
	}
	p.standby = err != nil
	return err
}

// onSmallDisk wraps the server's command: it gets a file system that only it sees, and that ends
// with it.
func (p *PostgresServer) onSmallDisk(server *exec.Cmd) (*exec.Cmd, error) {
	if os.Geteuid() != 0 {
		return nil, errors.New("brokertest: PostgreSQL: a small disk needs root")
	}
	if err := os.MkdirAll(p.disk(), 0o700); err != nil {
		return nil, err
	}
	const mounted = `mount -t tmpfs -o "size=$1,mode=700,uid=$2,gid=$2" none "$3" && shift &&
exec setpriv --reuid "$1" --regid "$1" --clear-groups -- "${@:3}"`
	args := append([]string{"-m", "--", "/bin/bash", "-c", mounted, "mounted", p.small, strconv.Itoa(unprivileged), p.disk()}, server.Args...)
	cmd := exec.Command("unshare", args...) //nolint:gosec // our own arguments
	cmd.Dir, cmd.Env = server.Dir, server.Env
	ownGroup(cmd)
	return cmd, nil
}
