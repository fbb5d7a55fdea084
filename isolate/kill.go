package isolate

import (
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/gentask/gentask/internal/guard"
	"github.com/gentask/gentask/isolate/internal/wire"
	"github.com/gentask/gentask/task"
)

// killer stops one job: it cancels its context, and kills the child if the job does not return.
type killer struct {
	process *process
	number  uint32 // of the call
	mu      sync.Mutex
	timer   *time.Timer
	over    bool
}

func (k *killer) begin(cause error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.over {
		return
	}
	k.timer = time.AfterFunc(k.process.cfg.Grace, k.terminate)
	go func() { // the pipe may be full
		_ = k.process.writer.Write(wire.Frame{Kind: wire.KindCancel, Call: k.number, Body: cancelOf(cause)})
	}()
}

// terminate is called when the grace is over.
func (k *killer) terminate() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.over {
		return
	}
	k.process.because(ErrUnresponsive)
	k.process.terminateGroup()
	k.timer = time.AfterFunc(k.process.cfg.Grace/3, func() { k.process.kill(ErrUnresponsive) })
}

func (k *killer) end() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.over = true
	if k.timer != nil {
		k.timer.Stop()
	}
}

// because notes why the process is killed. The first reason counts.
func (p *process) because(why error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.why == nil {
		p.why = why
	}
	p.closed = true
}

// terminateGroup asks the process and its group to end.
func (p *process) terminateGroup() { p.signal(syscall.SIGTERM) }

// signal sends a signal to the process and its group.
func (p *process) signal(s syscall.Signal) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.dead {
		signalGroup(p.proc.Pid, s)
	}
}

// reap waits until the process is dead, and kills what is left of its group.
func (p *process) reap() *os.ProcessState {
	numbered := awaitDeath(p.proc.Pid)
	if numbered {
		p.bury()
	}
	state, _ := p.proc.Wait() // nil if something else has waited for it
	if !numbered {
		p.bury()
	}
	return state
}

// bury kills what is left of the group and the cgroup of a dead process, and sends it no more
// signals.
func (p *process) bury() {
	p.signal(syscall.SIGKILL)
	if err := p.leaf.excess(p.cfg.Memory); err != nil {
		p.because(err)
	}
	p.leaf.kill()
	p.unrun = launchError(p.report)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.dead = true
}

// kill kills the process and its group.
func (p *process) kill(why error) {
	p.because(why)
	p.once.Do(func() {
		p.signal(syscall.SIGKILL)
		_ = p.in.SetWriteDeadline(time.Now()) // a write that waits for the child to read
	})
}

// retireTime is how long an idle child may take to exit.
const retireTime = time.Second

// retire makes the process end if it is idle: it reads the end of its pipe then, and is killed if
// it does not exit. It reports whether it was idle; otherwise nothing happens.
func (p *process) retire() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.calls) > 0 {
		return false
	}
	p.closed = true
	_ = p.in.Close() // the second close, by wait, does nothing
	time.AfterFunc(retireTime, func() { p.kill(nil) })
	return true
}

// stale reports whether the process has served enough.
func (p *process) stale() bool {
	r := p.cfg.Recycle
	p.mu.Lock()
	served := p.served
	p.mu.Unlock()
	return r.Jobs > 0 && served >= r.Jobs || r.Age > 0 && time.Since(p.born) >= r.Age ||
		r.Memory > 0 && residentMemory(p.proc.Pid) > r.Memory
}

// cancelOf returns the body that cancels a job for a cause.
func cancelOf(cause error) []byte {
	c := wire.Cancel{Text: guard.Text(cause), Timeout: guard.Is(cause, task.ErrTimeout)}
	return c.Append(nil)
}

// over reports whether the process takes no more calls.
func (p *process) over() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.closed
}

// failedIdle reports whether the process died by itself or by its size, before it had served or
// taken anything.
func (p *process) failedIdle() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.served == 0 && p.last == 0 && (p.why == nil || guard.Is(p.why, ErrMemory))
}
