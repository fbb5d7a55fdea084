package wasm

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	pseudo "math/rand/v2"
	"strings"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/experimental"
	"github.com/tetratelabs/wazero/sys"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/isolate/internal/once"
)

// instance is a guest that does one job. Only the goroutine that runs it uses it.
type instance struct {
	ctx     context.Context //nolint:containedctx // that of the job, which the guest can't see
	cfg     *Config
	used    uint64 // of the fuel
	stopped error  // why the guest was stopped; nil if it was not
	memory  uint64 // how much it has
	refused bool   // memory
	reply   bytes.Buffer
	stderr  once.Output
	clock   time.Duration // since the start, if it has no real one
}

type instanceKey struct{}

func newInstance(ctx context.Context, cfg *Config) *instance { return &instance{ctx: ctx, cfg: cfg} }

// context returns the context for the runtime. It has no values but those that the runtime and this
// package look for, and none of the job's.
func (i *instance) context() context.Context {
	ctx := context.WithValue(context.Background(), instanceKey{}, i)
	return experimental.WithMemoryAllocator(ctx, experimental.MemoryAllocatorFunc(
		func(_, _ uint64) experimental.LinearMemory { return &memory{instance: i} }))
}

// instanceOf returns the instance that runs in a context.
func instanceOf(ctx context.Context) *instance { return ctx.Value(instanceKey{}).(*instance) }

// config returns what the runtime offers to the guest.
func (i *instance) config(body []byte) wazero.ModuleConfig {
	c := wazero.NewModuleConfig().WithName("").WithStartFunctions(start).WithArgs(i.cfg.Args...).
		WithStdin(i.read(bytes.NewReader(body))).WithStdout(writer(i.answer)).WithStderr(writer(i.log)).
		WithRandSource(i.read(i.random())).WithNanosleep(i.sleep)
	if i.cfg.Clock {
		c = c.WithSysWalltime().WithSysNanotime()
	} else {
		c = c.WithWalltime(i.walltime, sys.ClockResolution(look)).WithNanotime(i.nanotime, sys.ClockResolution(look))
	}
	for _, variable := range i.environment() {
		name, value, _ := strings.Cut(variable, "=")
		c = c.WithEnv(name, value)
	}
	return c
}

// random returns the random numbers of the guest.
func (i *instance) random() io.Reader {
	if i.cfg.Random {
		return rand.Reader
	}
	return pseudo.NewChaCha8([32]byte{})
}

// environment returns the variables of the guest.
func (i *instance) environment() []string {
	job, ok := gentask.FromContext(i.ctx)
	if !ok {
		return i.cfg.Env
	}
	return append(i.cfg.Env[:len(i.cfg.Env):len(i.cfg.Env)], once.Environment(job)...)
}

// errStopped unwinds the guest. The instance has the reason.
var errStopped = errors.New("stopped")

// stop ends the guest. It must be called on the guest's goroutine, inside a call of the host.
func (i *instance) stop(why error) {
	i.stopped = why
	panic(errStopped)
}

// use takes fuel, and stops a guest that has none left, or whose job must stop.
func (i *instance) use(fuel uint64) {
	i.used += fuel
	if i.cfg.Fuel > 0 && i.used >= i.cfg.Fuel {
		i.stop(fmt.Errorf("%w of %d units", ErrFuel, i.cfg.Fuel))
	}
	i.heed()
}

// heed stops a guest whose job must stop.
func (i *instance) heed() {
	if i.ctx.Err() != nil {
		i.stop(fmt.Errorf("wasm: the guest was stopped: %w", context.Cause(i.ctx)))
	}
}

// carry takes fuel for data that crosses between guest and host. One call may carry a lot, so the
// guest may be stopped in between.
func (i *instance) carry(bytes int) { i.use(uint64(bytes) / 64) }

// reader is an io.Reader for the guest.
type reader func(into []byte) (int, error)

// Read implements io.Reader.
func (r reader) Read(into []byte) (int, error) { return r(into) }

// read returns what the guest reads from, and is charged for.
func (i *instance) read(from io.Reader) reader {
	return func(into []byte) (int, error) {
		n, err := from.Read(into)
		i.carry(n)
		return n, err
	}
}

// writer is an io.Writer for the guest, which takes all.
type writer func(data []byte)

// Write implements io.Writer.
func (w writer) Write(data []byte) (int, error) {
	w(data)
	return len(data), nil
}

// answer takes what the guest writes to its standard output.
func (i *instance) answer(data []byte) {
	i.carry(len(data))
	if len(data) > i.cfg.MaxReply-i.reply.Len() {
		i.stop(fmt.Errorf("%w; want at most %d bytes", ErrReply, i.cfg.MaxReply))
	}
	i.reply.Write(data)
}

// log takes what the guest writes to its standard error.
func (i *instance) log(data []byte) {
	i.carry(len(data))
	_, _ = i.stderr.Write(data) // it takes all
}

// look is how far a clock moves when the guest looks at it.
const look = time.Microsecond

// nanotime returns the time since the start.
func (i *instance) nanotime() int64 {
	i.move(look)
	return int64(i.clock)
}

// walltime returns the time of day.
func (i *instance) walltime() (int64, int32) {
	i.move(look)
	now := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC).Add(i.clock)
	return now.Unix(), int32(now.Nanosecond())
}

// move moves the clock, which stops at its end.
func (i *instance) move(by time.Duration) { i.clock = max(i.clock, i.clock+by) }

// sleep lets the guest sleep.
func (i *instance) sleep(nanoseconds int64) {
	d := time.Duration(nanoseconds)
	if !i.cfg.Clock {
		i.move(d)
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-i.ctx.Done():
		i.heed()
	}
}

// memory is the memory of a guest.
type memory struct {
	instance *instance
	data     []byte
}

// Reallocate implements [experimental.LinearMemory]. It returns nil if the guest may not have that
// much.
func (m *memory) Reallocate(size uint64) []byte {
	limit := m.instance.cfg.Memory
	if size > limit {
		m.instance.refused = true
		return nil
	}
	if size > uint64(cap(m.data)) {
		grown := make([]byte, size, min(limit, max(size, 2*uint64(cap(m.data)))))
		copy(grown, m.data)
		m.data = grown
	}
	m.data = m.data[:size]
	m.instance.memory = size
	return m.data
}

// Free implements experimental.LinearMemory.
func (m *memory) Free() { m.data = nil }

// end returns what the guest has done, by the error of the runtime.
func (i *instance) end(err error) (Result, error) {
	result := Result{Fuel: i.used, Memory: i.memory}
	if err = i.failure(err); err == nil {
		result.Value = i.reply.Bytes()
	}
	return result, err
}

// failure returns the error of the job, by that of the runtime.
func (i *instance) failure(err error) error {
	if i.stopped != nil || err == nil {
		return i.stopped
	}
	var refused error
	if i.refused {
		refused = ErrMemory
	}
	stderr, report := i.stderr.Texts()
	if exit := (*sys.ExitError)(nil); errors.As(err, &exit) { //nolint:forbidigo // the runtime's
		code := exit.ExitCode()
		return once.Verdict(int(code), &ExitError{Code: code, Stderr: stderr, Goroutines: report, Err: refused})
	}
	trap := trapOf(err)
	trap.Stderr, trap.Err = stderr, refused
	return trap
}
