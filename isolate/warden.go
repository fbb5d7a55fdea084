package isolate

import (
	"bufio"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// warden makes sure that no child outlives its parent, however that ends. It is a process of its
// own, of the same program, which has a list of the process groups of the children. It kills them
// when its pipe ends, and that is when the parent does. On Linux the kernel also kills a child,
// though not what that has started, when the thread ends that has started it. So the warden starts
// them all on one thread, which lives as long.
type warden struct {
	log    *slog.Logger
	starts chan startRequest
	stop   chan struct{}
	work   sync.WaitGroup

	mu     sync.Mutex
	groups map[int]leaf
	pipe   *os.File    // nil while there is no process
	proc   *os.Process // that reads from the pipe
}

type startRequest struct {
	path   string
	args   []string
	attr   *os.ProcAttr
	answer chan startAnswer
}

type startAnswer struct {
	proc *os.Process
	err  error
}

const roleWarden = "warden"

func newWarden(log *slog.Logger) *warden {
	w := &warden{log: log, starts: make(chan startRequest), stop: make(chan struct{}), groups: map[int]leaf{}}
	w.work.Go(w.thread)
	w.work.Go(w.keep)
	return w
}

// end ends the warden. No child may live any more.
func (w *warden) end() {
	close(w.stop)
	w.mu.Lock()
	w.dismiss()
	w.mu.Unlock()
	w.work.Wait()
}

// dismiss ends the process. One that lives is killed before its pipe is closed, because it would
// kill the children then, and may be frozen. The mutex is held.
func (w *warden) dismiss() {
	if w.pipe != nil {
		_ = w.proc.Kill() // or it is dead
		_ = w.pipe.Close()
		w.pipe = nil
	}
}

// start starts a process in a group of its own, and in a cgroup that attr has already.
func (w *warden) start(path string, args []string, attr *os.ProcAttr, l leaf) (*os.Process, error) {
	answer := make(chan startAnswer, 1)
	w.starts <- startRequest{path, args, attr, answer}
	a := <-answer
	if a.err == nil {
		w.know(a.proc.Pid, l)
	}
	return a.proc, a.err
}

// thread starts processes, on one thread.
func (w *warden) thread() {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for {
		select {
		case r := <-w.starts:
			proc, err := os.StartProcess(r.path, r.args, r.attr)
			r.answer <- startAnswer{proc, err}
		case <-w.stop:
			return
		}
	}
}

// keep keeps the process of the warden running.
func (w *warden) keep() {
	for !w.stopped() {
		if err := w.run(); !w.stopped() {
			w.log.Warn("isolate: no warden; if this process is killed, what its jobs have started may live on",
				"error", err)
		}
		select {
		case <-w.stop:
		case <-time.After(time.Second):
		}
	}
}

func (w *warden) stopped() bool {
	select {
	case <-w.stop:
		return true
	default:
		return false
	}
}

// run runs the process until it ends, and returns why there is none.
func (w *warden) run() error {
	theirs, ours, err := os.Pipe()
	if err != nil {
		return err
	}
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		closeAll([]*os.File{theirs, ours})
		return err
	}
	proc, err := os.StartProcess(self(), []string{os.Args[0]}, &os.ProcAttr{
		Env: append(os.Environ(), envRole+"="+roleWarden), Files: []*os.File{theirs, null, null}, Sys: ownGroup(),
	})
	closeAll([]*os.File{theirs, null})
	if err != nil {
		closeAll([]*os.File{ours})
		return err
	}
	w.use(ours, proc)
	state, err := proc.Wait()
	w.use(nil, nil)
	if err == nil {
		err = fmt.Errorf("the warden has ended: %v", state)
	}
	return err
}

// use makes a process that of the warden, and writes all groups to its pipe. Nil means that there
// is none.
func (w *warden) use(pipe *os.File, proc *os.Process) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.dismiss()
	w.pipe, w.proc = pipe, proc
	if w.stopped() {
		w.dismiss()
	}
	for group, l := range w.groups {
		w.tell('+', group, l)
	}
}

func (w *warden) know(group int, l leaf) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.groups[group] = l
	w.tell('+', group, l)
}

// forget is called when nothing is left of a group.
func (w *warden) forget(group int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.groups, group)
	w.tell('-', group, "")
}

// wardenTime is how long the warden may take to read.
const wardenTime = 100 * time.Millisecond

// tell writes a line. A warden that does not read is dismissed, and keep starts another. The mutex
// is held.
func (w *warden) tell(sign byte, group int, l leaf) {
	if w.pipe == nil {
		return
	}
	_ = w.pipe.SetWriteDeadline(time.Now().Add(wardenTime)) // a pipe has deadlines
	if _, err := w.pipe.Write(fmt.Appendf(nil, "%c%d %s\n", sign, group, l)); err != nil {
		w.dismiss()
	}
}

// watchOver is the process of the warden: it returns when the parent has ended.
func watchOver(lines io.Reader) {
	ignoreSignals()
	groups := map[int]leaf{}
	for scan := bufio.NewScanner(lines); scan.Scan(); {
		line := scan.Text()
		if len(line) < 2 {
			continue
		}
		number, dir, _ := strings.Cut(line[1:], " ")
		switch group, err := strconv.Atoi(number); {
		case err != nil || group <= 1:
		case line[0] == '+':
			groups[group] = leaf(dir)
		default:
			delete(groups, group)
		}
	}
	for group, l := range groups {
		signalGroup(group, syscall.SIGKILL)
		l.kill()
	}
	for _, l := range groups {
		_ = l.remove() // the parent is dead
	}
}
