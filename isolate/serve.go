package isolate

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"math"
	"os"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/gentask/gentask/internal/guard"
	"github.com/gentask/gentask/isolate/internal/wire"
)

// Main makes a child of this program serve jobs: it never returns there. Elsewhere it returns at
// once. The program must call it in main, after all calls of [Handle] and [Work], and before
// anything that only the parent should do, such as connecting to a broker. Tests call it in
// TestMain.
func Main() {
	role := os.Getenv(envRole)
	_ = os.Unsetenv(envRole) // a program that a job starts is none of ours
	switch role {
	case roleChild:
		os.Exit(serve()) //nolint:forbidigo // the process of a child is this package's
	case roleLauncher:
		os.Exit(launch()) //nolint:forbidigo // likewise
	case roleWarden:
		watchOver(os.Stdin)
		os.Exit(0) //nolint:forbidigo // likewise
	}
	functions.mu.Lock()
	defer functions.mu.Unlock()
	functions.main = true
}

// function runs a job in a child. It calls reply once, however it ends.
type function func(ctx context.Context, t *wire.Task, reply func(wire.Result))

// functions are those of the program, by name.
var functions struct {
	mu     sync.Mutex
	byName map[string]function
	main   bool // Main was called, in a parent
}

// register adds a function.
func register(name string, f function) error {
	functions.mu.Lock()
	defer functions.mu.Unlock()
	switch {
	case name == "":
		return errors.New("isolate: the name of a function is empty; want one that no other has in this program")
	case functions.byName[name] != nil:
		return fmt.Errorf("isolate: the name %q is given twice; want one that no other function has", name)
	case functions.main:
		return fmt.Errorf("isolate: function %q came after isolate.Main, so children don't know it; "+
			"call Handle and Work before Main", name)
	}
	if functions.byName == nil {
		functions.byName = map[string]function{}
	}
	functions.byName[name] = f
	return nil
}

// mainWasCalled returns an error if it was not: a child would be the whole program once more.
func mainWasCalled() error {
	functions.mu.Lock()
	defer functions.mu.Unlock()
	if functions.main {
		return nil
	}
	return errors.New("isolate: isolate.Main was not called; call it in main, after Handle and Work, or in TestMain")
}

// server is a child: it runs the jobs that come by its pipe.
type server struct {
	functions map[string]function
	reader    *wire.Reader
	writer    *wire.Writer
	relief    relief
	mark      mark
	maxReply  int
	several   bool       // jobs at a time
	over      chan error // capacity 1: why it reads no more

	jobs  sync.WaitGroup
	mu    sync.Mutex
	calls map[uint32]*Info
}

// serve returns the code to exit with.
func serve() int {
	if files := os.Getenv(envFiles); files != "" {
		n, err := strconv.ParseUint(files, 10, 64)
		if err == nil {
			err = limitFiles(n)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, "isolate: can't limit the open files:", err)
			return 1
		}
	}
	in, out, m, err := filesOfChild()
	if err != nil {
		fmt.Fprintln(os.Stderr, "isolate: can't share memory with the parent:", err)
		return 1
	}
	s := &server{functions: functions.byName, writer: wire.NewWriter(out), mark: m, calls: map[uint32]*Info{}}
	s.over, s.several = make(chan error, 1), os.Getenv(envSeveral) != ""
	s.maxReply, _ = strconv.Atoi(os.Getenv(envReply)) // this package has written it
	slog.SetDefault(slog.New(&logHandler{server: s}))
	hello := wire.Hello{Version: wire.Version, Names: slices.Sorted(maps.Keys(s.functions))}
	if err := s.writer.Write(wire.Frame{Kind: wire.KindHello, Body: hello.Append(nil)}); err != nil {
		return 1
	}
	s.reader, s.relief.read = wire.NewReader(in, math.MaxInt32), s.read
	go s.read()
	if err := <-s.over; !guard.Is(err, io.EOF) {
		s.jobs.Wait() // one of them has closed the pipe
	}
	return 0
}

// read does what the parent wants, until the pipe ends. That is when the parent has closed it,
// which it does to an idle child, or has died. One goroutine reads at a time.
func (s *server) read() {
	for {
		f, err := s.reader.Next()
		if err != nil {
			s.over <- err
			return
		}
		switch f.Kind {
		case wire.KindRun:
			s.mark.set(f.Call)
			if !s.take(f) {
				return
			}
		case wire.KindCancel:
			s.cancel(f)
		case wire.KindHello, wire.KindResult, wire.KindLog, wire.KindProgress:
		}
	}
}

// take runs a job, and reports whether its goroutine shall read on.
func (s *server) take(f wire.Frame) bool {
	if s.several {
		go s.run(f)
		return true
	}
	job, returned := s.relief.begin(), false
	defer func() {
		if !returned && s.relief.end(job) { // the job called runtime.Goexit
			go s.read()
		}
	}()
	s.run(f)
	returned = true
	return s.relief.end(job)
}

// run runs a job.
func (s *server) run(f wire.Frame) {
	t, err := wire.TaskOf(f.Body)
	run := s.functions[t.Name]
	if err != nil || run == nil {
		text := fmt.Sprintf("isolate: no task for function %q: %v", t.Name, err)
		s.reply(f.Call, wire.Result{Ending: wire.Failed, Text: text})
		return
	}
	job := newInfo(s, f.Call, &t)
	s.mu.Lock()
	s.calls[f.Call] = job
	s.mu.Unlock()
	s.jobs.Add(1)
	run(job.ctx, &t, func(r wire.Result) {
		defer s.jobs.Done()
		s.mu.Lock()
		delete(s.calls, f.Call)
		s.mu.Unlock()
		job.cancel(context.Canceled)
		s.reply(f.Call, r)
	})
}

// reply writes the result of a call.
func (s *server) reply(call uint32, r wire.Result) {
	if len(r.Value) > s.maxReply {
		r = wire.Result{Ending: wire.Failed, Type: "isolate", Text: fmt.Sprintf(
			"isolate: the result has %d bytes; Config.MaxReply is %d", len(r.Value), s.maxReply)}
	}
	_ = s.writer.Write(wire.Frame{Kind: wire.KindResult, Call: call, Body: r.Append(nil)}) // read ends, too
}

func (s *server) cancel(f wire.Frame) {
	s.mu.Lock()
	job := s.calls[f.Call]
	s.mu.Unlock()
	c, err := wire.CancelOf(f.Body)
	switch {
	case job == nil || err != nil:
	case c.Timeout:
		job.cancel(context.DeadlineExceeded)
	default:
		job.cancel(&Error{Text: c.Text})
	}
}

// only returns the job of a child that has one; nil otherwise.
func (s *server) only() *Info {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, job := range s.calls {
		if len(s.calls) == 1 {
			return job
		}
	}
	return nil
}

// after returns the deadline of a job.
func after(left time.Duration) time.Time {
	if left <= 0 {
		return time.Time{}
	}
	return time.Now().Add(left)
}
