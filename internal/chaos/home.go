package chaos

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
	"sync"
	"time"
)

// guard reads lines with the process groups that are alive now, the last line counts, until its
// standard input ends: only the test process holds it open. Then it kills them, and removes the
// directory.
const guard = `while read -r line; do alive=$line; done
for p in $alive; do kill -9 "-$p"; done 2>/dev/null
for i in 1 2 3 4 5; do rm -rf -- "$1" 2>/dev/null && exit; sleep 0.2; done`

// home is a directory with the processes that live in it.
type home struct {
	dir   string
	guard *exec.Cmd
	line  io.WriteCloser

	mu    sync.Mutex
	alive []int
}

func newHome() (*home, error) {
	dir, err := os.MkdirTemp("", "gentask-chaos-")
	if err != nil {
		return nil, err
	}
	h := &home{dir: dir, guard: exec.Command("/bin/sh", "-c", guard, "guard", dir)} //nolint:gosec // our own directory
	ownGroup(h.guard)                                                               // an interrupt at the terminal is not for the guard
	if h.line, err = h.guard.StdinPipe(); err != nil {
		return nil, err
	}
	if err := h.guard.Start(); err != nil {
		return nil, fmt.Errorf("chaos: guard: %w", err)
	}
	return h, nil
}

// path is a file of the home.
func (h *home) path(name string) string { return filepath.Join(h.dir, name) }

// close kills what still lives here and removes the directory.
func (h *home) close() error {
	_ = h.line.Close()
	return h.guard.Wait()
}

// start starts a process in a group of its own, with its output in a file called name.
func (h *home) start(name string, cmd *exec.Cmd) (*process, error) {
	out, err := os.OpenFile(h.path(name+".out"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	if cmd.Stdout == nil {
		cmd.Stdout = out
	}
	cmd.Stderr, cmd.Dir = out, h.dir
	ownGroup(cmd)
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("chaos: start %s: %w", name, err)
	}
	h.alive = append(h.alive, cmd.Process.Pid)
	p := &process{home: h, name: name, cmd: cmd, ended: make(chan struct{})}
	go p.wait()
	return p, h.report()
}

// report sends the guard the processes that run.
func (h *home) report() error {
	pids := make([]string, len(h.alive))
	for i, pid := range h.alive {
		pids[i] = strconv.Itoa(pid)
	}
	_, err := io.WriteString(h.line, strings.Join(pids, " ")+"\n")
	return err
}

// process is one that was started, with all of its children.
type process struct {
	home  *home
	name  string
	cmd   *exec.Cmd
	ended chan struct{}
}

// wait is the owner of the end.
func (p *process) wait() {
	defer close(p.ended)
	_ = p.cmd.Wait() // how it ended is of no interest
	h := p.home
	h.mu.Lock()
	defer h.mu.Unlock()
	h.alive = slices.DeleteFunc(h.alive, func(pid int) bool { return pid == p.cmd.Process.Pid })
	_ = h.report() // it fails when the guard is at work already
}

// kill kills the process without a warning, and returns when it is gone.
func (p *process) kill() {
	select {
	case <-p.ended:
	default:
		killGroup(p.cmd)
		<-p.ended
	}
}

// running reports whether it has not ended.
func (p *process) running() bool {
	select {
	case <-p.ended:
		return false
	default:
		return true
	}
}

// output is the end of what the process wrote.
func (h *home) output(name string) string {
	const most = 2000
	text, err := os.ReadFile(h.path(name + ".out"))
	if err != nil {
		return err.Error()
	}
	return string(text[max(0, len(text)-most):])
}

// startTime bounds the start of a broker; on a busy machine with two cores it takes ten seconds.
const startTime = 2 * time.Minute

// errEnded means that there is nothing to wait for.
var errEnded = errors.New("it has ended")

// await asks until the answer is yes, for startTime at the most.
func await(what string, ask func() error) error {
	for end := time.Now().Add(startTime); ; time.Sleep(20 * time.Millisecond) {
		err := ask()
		if err == nil {
			return nil
		}
		if errors.Is(err, errEnded) {
			return fmt.Errorf("chaos: %s: %w", what, err)
		}
		if time.Now().After(end) {
			return fmt.Errorf("chaos: %s: not within %v: %w", what, startTime, err)
		}
	}
}
