package wasm

import (
	"context"
	"sync"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/task"
)

// Handle returns a behaviour of a module. The value of its task is what the guest has written to
// its standard output, for the consumer's middleware. The default policy decides on its end. The
// module is compiled when the first consumer of the behaviour is made, and must not change.
// Mistakes are errors of [gentask.New].
func Handle(module []byte, cfg Config) gentask.Behavior {
	return Work(module, func(gentask.Job[gentask.Raw], task.Outcome[[]byte]) gentask.Decision {
		return gentask.Decision{}
	}, cfg)
}

// Work returns a behaviour of a module, and of a function that is called with the outcome of the
// task and decides what becomes of the delivery, like that of [gentask.Worker]. The payload is the
// body of the message. See [Handle].
func Work(
	module []byte, handleResult func(gentask.Job[gentask.Raw], task.Outcome[[]byte]) gentask.Decision, cfg Config,
) gentask.Behavior {
	if handleResult == nil {
		return gentask.Behavior{}
	}
	return (&worker{
		handle: handleResult, guest: sync.OnceValues(func() (*Guest, error) { return New(module, cfg) }),
	}).behavior()
}

// worker is a guest as a worker and a resource of the consumer.
type worker struct {
	guest  func() (*Guest, error)
	handle func(gentask.Job[gentask.Raw], task.Outcome[[]byte]) gentask.Decision
}

func (w *worker) behavior() gentask.Behavior { return gentask.Work(w).With(w) }

// Run implements [gentask.Worker].
func (w *worker) Run(ctx context.Context, body gentask.Raw) ([]byte, error) {
	g, err := w.guest()
	if err != nil {
		return nil, err // there is no consumer then
	}
	result, err := g.Run(ctx, body)
	return result.Value, err
}

// HandleResult implements gentask.Worker.
func (w *worker) HandleResult(job gentask.Job[gentask.Raw], o task.Outcome[[]byte]) gentask.Decision {
	return w.handle(job, o)
}

// Check implements [gentask.Resource]: it compiles the module.
func (w *worker) Check(gentask.ResourceUser) error {
	_, err := w.guest()
	return err
}

// Open implements gentask.Resource. A guest needs nothing but its memory.
func (w *worker) Open(gentask.ResourceUser) {}

// Close implements gentask.Resource.
func (w *worker) Close() {}
