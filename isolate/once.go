package isolate

import (
	"context"
	"fmt"
	"io"
	"os"
	"syscall"
	"time"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/internal/guard"
	"github.com/gentask/gentask/isolate/internal/once"
)

// single runs a program for each job. Its pool has no children, but the warden and the watch of
// one.
type single struct{ pool pool }

// run runs the program for the job of ctx.
func (s *single) run(ctx context.Context) error {
	job, _ := gentask.FromContext(ctx)
	l := s.pool.lives()
	child := l.newProcess(s.pool.program)
	child.calls[0] = &call{mail: &mail{reply: make(chan reply, 1)}} // for the watch
	if err := child.launchOnce(l.warden, jobEnvironment(l.cfg, job), job.Body()); err != nil {
		return notLaunched(err)
	}
	l.watch.add(child)
	defer l.buried(child)
	stop := context.AfterFunc(ctx, func() { child.stopOnce(l.cfg.Grace) })
	defer stop()
	<-child.gone
	if child.unrun != nil {
		return startError(child.unrun, time.Second)
	}
	return verdictOf(child.crash)
}

// notLaunched returns the error of a job whose program could not be started. If that is because of
// the job, it has failed; otherwise it is given back.
func notLaunched(err error) error {
	if guard.Is(err, syscall.E2BIG) {
		return fmt.Errorf("isolate: the headers of the job don't fit into an environment: %w", err)
	}
	return startError(err, time.Second)
}

// stopOnce ends a program whose job must stop.
func (p *process) stopOnce(grace time.Duration) {
	p.terminateGroup()
	late := time.NewTimer(grace)
	defer late.Stop()
	select {
	case <-p.dying:
	case <-late.C:
		p.kill(ErrUnresponsive)
	}
}

// verdictOf returns the error of a job by the end of its program.
func verdictOf(crash *CrashError) error {
	if crash.Signal != 0 {
		return crash
	}
	return once.Verdict(crash.ExitCode, crash)
}

// feed writes the body to a program. It may exit without having read it.
func (p *process) feed(body []byte) {
	_, _ = p.in.Write(body)
	_ = p.in.Close()
}

// listen collects the output of a program, and waits for its end.
func (p *process) listen() {
	heard := make(chan struct{})
	go func() { defer close(heard); _, _ = io.Copy(&p.output, p.err) }()
	read := make(chan struct{})
	close(read)
	p.wait(read, heard)
}

// jobEnvironment returns the environment of a program for a job.
func jobEnvironment(cfg Config, job gentask.Job[any]) []string {
	env := cfg.Env
	if env == nil {
		env = os.Environ()
	}
	return overlay(env, once.Environment(job)...)
}
