package isolate

import (
	"fmt"
	"sync"
	"time"
)

// watch kills the children of a pool that use too much. It has a goroutine if there is a limit.
type watch struct {
	cfg  Config
	stop chan struct{}
	done sync.WaitGroup

	mu       sync.Mutex
	children map[*process]bool
}

// watchPeriod is how often a child is looked at.
const watchPeriod = 25 * time.Millisecond

func newWatch(cfg Config) *watch {
	w := &watch{cfg: cfg, stop: make(chan struct{}), children: map[*process]bool{}}
	if cfg.Memory > 0 || cfg.CPU > 0 {
		w.done.Go(w.run)
	}
	return w
}

func (w *watch) end() {
	close(w.stop)
	w.done.Wait()
}

func (w *watch) add(p *process) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.children[p] = true
}

func (w *watch) remove(p *process) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.children, p)
}

func (w *watch) run() {
	tick := time.NewTicker(watchPeriod)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			w.look()
		case <-w.stop:
			return
		}
	}
}

func (w *watch) look() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for p := range w.children {
		if err := p.excess(); err != nil {
			p.kill(err)
		}
	}
}

// excess returns why the process uses too much; nil if it does not.
func (p *process) excess() error {
	if limit := p.cfg.Memory; limit > 0 {
		if has := residentMemory(p.proc.Pid); has > limit {
			return fmt.Errorf("%w: %d MiB; Config.Memory is %d MiB", ErrMemory, has>>20, limit>>20)
		}
	}
	if limit := p.cfg.CPU; limit > 0 {
		if used, busy := p.used(); busy && used > limit {
			return fmt.Errorf("%w: %v; Config.CPU is %v", ErrCPU, used.Round(time.Millisecond), limit)
		}
	}
	return nil
}

// used returns how much time of a processor the present job has had.
func (p *process) used() (used time.Duration, busy bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.calls {
		return processorTime(p.proc.Pid) - c.cpu, true
	}
	return 0, false
}
