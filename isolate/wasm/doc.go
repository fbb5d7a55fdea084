// Package wasm runs jobs by code that is not trusted at all: a WebAssembly module, in this process.
// The bytes of the job go in, other bytes come out, and there is nothing else that the module can
// reach.
//
//	count := wasm.Handle(module, wasm.Config{Memory: 16 << 20, Fuel: 100_000_000})
//	err := gentask.Run(ctx, images, count, gentask.Config{Timeout: 10 * time.Second})
//
// The module is a command of WASI preview 1, as most compilers make it: for Go, with GOOS=wasip1
// and GOARCH=wasm. The body of the message is its standard input. Its standard output is the value
// of the task. Its exit code decides:
//
//	0       done
//	65      dead letter: the job can never be done (EX_DATAERR)
//	75      tried again at once, at the cost of an attempt (EX_TEMPFAIL)
//	others  failed: [gentask.Config.Retry] decides
//
// Its environment has GENTASK_ID, GENTASK_ATTEMPT, GENTASK_CONTENT_TYPE, and GENTASK_HEADER_ with
// the name of each header in capitals.
//
// [Handle] and [Work] return behaviours like any others. [New] returns a [Guest], which a function
// of your own can run.
//
// # What a guest can't do
//
// A module is compiled once, and has a new instance for each job. No state goes from job to job. It
// has no files, no network, no arguments, and no variables but those above and [Config.Env]. Unless
// [Config.Clock] and [Config.Random] are set, its clock is one that only the guest moves, and its
// random numbers are always the same. So the same job has the same result.
//
// Its memory, its output and its fuel are limited: see [Config]. A guest that must stop is stopped,
// wherever it is, within a millisecond or so. So a job of this package is never abandoned.
//
// # Limits
//
// The runtime is wazero. It is a sandbox in software: a mistake in its compiler could let a guest
// out. The stack of a guest is not part of [Config.Memory]. It may take 150 MiB for a moment before
// the guest traps.
//
// docs/isolation.md has figures, and compares it with other ways.
//
//snippets:needs ctx context.Context; images queue.Source; module []byte
package wasm
