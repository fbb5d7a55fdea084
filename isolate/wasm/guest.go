package wasm

import (
	"context"
	"fmt"
	"runtime"
	"slices"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"

	"github.com/gentask/gentask/isolate/wasm/internal/meter"
)

// Guest is a module that is ready to run. It is safe for concurrent use. Nothing must be closed:
// its memory is freed when it is not used any more.
type Guest struct {
	cfg      Config
	runtime  wazero.Runtime
	compiled wazero.CompiledModule
}

// start is the function that a command exports.
const start = "_start"

// New compiles a module: a second for each megabyte or so. The error names what is wrong with the
// module or the config. The module must be WebAssembly 2.0, import nothing but functions of WASI
// preview 1, and export _start.
func New(module []byte, cfg Config) (*Guest, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	g := &Guest{cfg: cfg.orDefaults()}
	if err := g.compile(context.Background(), module); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrModule, err)
	}
	return g, nil
}

// compile validates the module as it is, and compiles it as one that counts.
func (g *Guest) compile(ctx context.Context, module []byte) error {
	settings := wazero.NewRuntimeConfig().WithDebugInfoEnabled(false) // lines would be those before the change
	g.runtime = wazero.NewRuntimeWithConfig(ctx, settings)
	host, err := hostFunctions(ctx, g.runtime)
	if err != nil {
		return err
	}
	if err := validate(ctx, module, host); err != nil {
		return err
	}
	counted, err := meter.Meter(module)
	switch {
	case err != nil:
		return err
	case counted.MinMemory > g.cfg.Memory:
		return fmt.Errorf("it has %d bytes of memory from the start; Config.Memory is %d",
			counted.MinMemory, g.cfg.Memory)
	}
	ctx = experimental.WithCompilationWorkers(ctx, runtime.GOMAXPROCS(0))
	ctx = listening(ctx, onTick, func(f api.FunctionDefinition) bool { return f.Index() == counted.Tick })
	g.compiled, err = g.runtime.CompileModule(ctx, counted.Module)
	return err
}

// listener is called before a function, with its parameters.
type listener func(ctx context.Context, params []uint64)

// listening returns a context in which modules are compiled so that l is called before those of
// their functions that are wanted.
func listening(ctx context.Context, l listener, wanted func(api.FunctionDefinition) bool) context.Context {
	before := experimental.FunctionListenerFunc(func(
		ctx context.Context, _ api.Module, _ api.FunctionDefinition, params []uint64, _ experimental.StackIterator,
	) {
		l(ctx, params)
	})
	return experimental.WithFunctionListenerFactory(ctx, experimental.FunctionListenerFactoryFunc(
		func(f api.FunctionDefinition) experimental.FunctionListener {
			if wanted(f) {
				return before
			}
			return nil
		}))
}

// validate returns what is wrong with a module. An interpreter finds it out in a tenth of the time.
func validate(ctx context.Context, module []byte, host api.Module) error {
	r := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigInterpreter().WithDebugInfoEnabled(false))
	defer func() { _ = r.Close(ctx) }()
	m, err := r.CompileModule(ctx, module)
	if err != nil {
		return err
	}
	offers := host.ExportedFunctionDefinitions()
	for _, f := range m.ImportedFunctions() {
		from, name, _ := f.Import()
		offer := offers[name]
		if from != wasi_snapshot_preview1.ModuleName || offer == nil {
			return fmt.Errorf("it imports the function %q of %q; want functions of %s", name, from,
				wasi_snapshot_preview1.ModuleName)
		}
		if !slices.Equal(offer.ParamTypes(), f.ParamTypes()) || !slices.Equal(offer.ResultTypes(), f.ResultTypes()) {
			return fmt.Errorf("it imports %s with other types than the function has", name)
		}
	}
	if f := m.ExportedFunctions()[start]; f == nil || len(f.ParamTypes())+len(f.ResultTypes()) > 0 {
		return fmt.Errorf("it exports no function %s without parameters and results; want a command of WASI preview 1",
			start)
	}
	return nil
}

// hostFunctions makes the functions that guests may import: those of WASI preview 1. Each call is
// counted. There is no file system, so most of them find no file.
func hostFunctions(ctx context.Context, r wazero.Runtime) (api.Module, error) {
	ctx = listening(ctx, onHostCall, func(api.FunctionDefinition) bool { return true })
	b := r.NewHostModuleBuilder(wasi_snapshot_preview1.ModuleName)
	wasi_snapshot_preview1.NewFunctionExporter().ExportFunctions(b)
	// The runtime's own makes a table as long as the number, which may be two billion.
	const notSupported = 58
	refuse := func(_ context.Context, stack []uint64) { stack[0] = notSupported }
	i32 := api.ValueTypeI32
	b.NewFunctionBuilder().
		WithGoFunction(api.GoFunc(refuse), []api.ValueType{i32, i32}, []api.ValueType{i32}).Export("fd_renumber")
	return b.Instantiate(ctx)
}

// onTick is called when a guest has used up a slice, with what is left of it. A guest may call it
// as well, with any number.
func onTick(ctx context.Context, params []uint64) {
	left := min(int64(int32(params[0])), 0)
	instanceOf(ctx).use(uint64(meter.Slice - left))
}

// hostCall is how much fuel a call of the host takes.
const hostCall = 1000

// onHostCall is called before each call of the host.
func onHostCall(ctx context.Context, _ []uint64) { instanceOf(ctx).use(hostCall) }

// Result is what a guest has done.
type Result struct {
	// Value is what it has written to its standard output; nil if it has failed.
	Value []byte
	// Fuel is how much it has used, without the last step: see [Config.Fuel].
	Fuel uint64
	// Memory is how many bytes it had in the end.
	Memory uint64
}

// Run runs a guest. If ctx is that of a job, the guest gets the variables that describe it. When
// ctx ends the guest is stopped, and the error wraps the cause. Otherwise an error is an
// [ExitError], a [TrapError], or wraps [ErrFuel] or [ErrReply]. If the exit code decides, the error
// is or wraps that [gentask.Decision].
func (g *Guest) Run(ctx context.Context, body []byte) (Result, error) {
	i := newInstance(ctx, &g.cfg)
	m, err := g.runtime.InstantiateModule(i.context(), g.compiled, i.config(body))
	if m != nil {
		_ = m.Close(context.Background()) // there is nothing in it that could fail
	}
	runtime.KeepAlive(g) // the compiled code is freed with it
	return i.end(err)
}
