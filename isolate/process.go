package isolate

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/gentask/gentask/internal/guard"
	"github.com/gentask/gentask/isolate/internal/once"
	"github.com/gentask/gentask/isolate/internal/wire"
)

// process is one child. It is made by start, and is over when gone is closed. It never comes back.
//
// Three goroutines belong to it: one reads its frames, one its output, and one waits for its end.
// The last one settles what is left: the rest of its process group is killed, and the calls that
// have no result have failed.
type process struct {
	cfg     Config
	program program
	proc    *os.Process
	in      *os.File // what it reads
	out     *os.File // what it writes
	err     *os.File // what it writes to its standard output and error
	mark    mark     // nil if it is another program
	leaf    leaf     // its cgroup
	report  *os.File // of its launcher; nil if it has none
	reader  frameReader
	writer  frameWriter
	output  once.Output
	hello   chan wire.Hello // capacity 1
	dying   chan struct{}   // closed when the process is dead
	gone    chan struct{}   // closed when all is settled
	born    time.Time

	mu     sync.Mutex
	calls  map[uint32]*call
	last   uint32 // number of a call
	served int
	closed bool  // it takes no more calls
	dead   bool  // its number may be that of another process
	why    error // why the parent has killed it

	once  sync.Once   // kill
	crash *CrashError // set before gone is closed
	unrun error       // why its launcher could not start it; likewise
}

// maxLogged is how many bytes of notes a job may write, and maxFrame the most of a frame that
// is not a result.
const (
	maxLogged = 8 << 20
	maxFrame  = 1 << 20
)

// attach begins to serve a process that was started with these pipes.
func (p *process) attach() {
	read, heard := make(chan struct{}), make(chan struct{})
	go func() { defer close(read); p.read() }()
	go func() { defer close(heard); _, _ = io.Copy(&p.output, p.err) }()
	go p.wait(read, heard)
}

// read takes frames until the pipe ends.
func (p *process) read() {
	for {
		f, err := p.reader.Next()
		if err == nil {
			err = p.took(f)
		}
		switch {
		case err == nil:
		case guard.Is(err, wire.ErrFrame):
			p.kill(fmt.Errorf("%w: %w", ErrProtocol, err))
			return
		default:
			p.mute()
			return
		}
	}
}

// mute is called when the pipe has ended, as it does when the process dies. A process that lives on
// is of no use.
func (p *process) mute() {
	select {
	case <-p.dying:
	case <-time.After(drainTime):
		p.kill(fmt.Errorf("%w: it closed its pipe", ErrProtocol))
	}
}

// took handles a frame. Its error wraps wire.ErrFrame if the child may not go on.
func (p *process) took(f wire.Frame) error {
	switch f.Kind {
	case wire.KindHello:
		return p.greeted(f)
	case wire.KindResult:
		return p.ended(f)
	case wire.KindLog, wire.KindProgress:
		return p.noted(f)
	case wire.KindRun, wire.KindCancel:
	}
	return fmt.Errorf("%w: kind %d from a child", wire.ErrFrame, f.Kind)
}

func (p *process) greeted(f wire.Frame) error {
	h, err := wire.HelloOf(f.Body)
	if err != nil {
		return err
	}
	select {
	case p.hello <- h:
		return nil
	default:
		return fmt.Errorf("%w: a second greeting", wire.ErrFrame)
	}
}

// noted passes a note to the task of its job. It waits if the task is slow. The notes of a job that
// has ended are dropped.
func (p *process) noted(f wire.Frame) error {
	c := p.call(f.Call)
	if c == nil {
		return nil
	}
	if c.logged += len(f.Body); c.logged > maxLogged {
		return fmt.Errorf("%w: more than %d bytes of log records and progress", wire.ErrFrame, maxLogged)
	}
	select {
	case c.notes <- f:
	case <-p.dying:
	}
	return nil
}

// ended handles the result of a call.
func (p *process) ended(f wire.Frame) error {
	result, err := wire.ResultOf(f.Body)
	if err != nil {
		return err
	}
	p.mu.Lock()
	c := p.calls[f.Call]
	delete(p.calls, f.Call)
	p.served++
	p.mu.Unlock()
	if c == nil {
		return fmt.Errorf("%w: a result of no call", wire.ErrFrame)
	}
	c.reply <- reply{result: result}
	return nil
}

func (p *process) call(n uint32) *call {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.calls[n]
}

// drainTime is how long the reader may need for what a dead child has written.
const drainTime = 500 * time.Millisecond

// wait settles the end of the process.
func (p *process) wait(read, heard <-chan struct{}) {
	state := p.reap()
	if p.out != nil {
		_ = p.out.SetReadDeadline(time.Now().Add(drainTime))
	}
	_ = p.in.SetWriteDeadline(time.Now()) // there is no reader any more
	close(p.dying)
	<-read
	select {
	case <-heard:
	case <-time.After(drainTime): // a process that left the group holds the pipe
	}
	p.crash = crashOf(state, &p.output, p.reason())
	p.settle(p.crash)
	closeAll([]*os.File{p.in, p.out, p.err})
	p.mark.close()
	close(p.gone)
}

// settle ends the calls that have no result.
func (p *process) settle(crash *CrashError) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	begun := p.mark.last()
	for n, c := range p.calls {
		if n > begun {
			c.reply <- reply{err: errNotStarted}
		} else {
			c.reply <- reply{err: crash}
		}
	}
	p.calls = nil
}

func (p *process) reason() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.why
}
