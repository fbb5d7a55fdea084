package wasm_test

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/isolate/wasm"
)

// assembled returns a guest of a hand-made module.
func assembled(t *testing.T, module []byte, cfg wasm.Config) *wasm.Guest {
	t.Helper()
	g, err := wasm.New(module, cfg)
	require.NoError(t, err)
	return g
}

// TestTraps: each way to trap has its reason, and where it happened.
func TestTraps(t *testing.T) {
	for reason, way := range map[string][]byte{
		"unreachable":                   {unreachable},
		"out of bounds memory access":   code(number(-1), readI32, drop),
		"integer divide by zero":        code(number(1), number(0), divide, drop),
		"integer overflow":              code(number(-1<<31), number(-1), divide, drop),
		"invalid conversion to integer": code(nan, truncate, drop),
		"invalid table access":          code(number(0), indirect),
		"stack overflow":                {call, startFunction},
	} {
		t.Run(reason, func(t *testing.T) {
			_, err := assembled(t, module(way), wasm.Config{}).Run(t.Context(), nil)
			var trap *wasm.TrapError
			require.ErrorAs(t, err, &trap)
			require.Equal(t, reason, trap.Reason)
			require.ErrorContains(t, err, reason)
			if reason != "stack overflow" {
				require.Equal(t, "$7()\n", trap.Stack())
			}
		})
	}
}

// endless are guests that never end by themselves. None of them is in one loop only.
var endless = map[string][]byte{
	"a loop":          module(forever()),
	"calls":           doubling(),
	"filling":         module(forever(number(0), number(1), number(pages<<16), memoryFill)),
	"copying":         module(forever(number(0), number(0), number(pages<<16), memoryCopy)),
	"filling a table": module(code(nullFunc, number(1<<19), tableGrow, drop, forever(number(0), nullFunc, number(1<<19), tableFill))),
	"growing":         module(forever(number(1), memoryGrow, drop)),
	"growing a table": module(forever(nullFunc, number(1<<10), tableGrow, drop)),
	"random numbers":  module(forever(number(0), number(pages<<16), call, randomGet, drop)),
	"bad descriptors": module(forever(number(1), number(1<<31-1), call, fdRenumber, drop)),
	"sleeping":        module(forever(number(0), number(48), number(1), number(128), call, pollOneoff, drop)),
	"writing to standard error": module(forever(vectors(),
		number(2), number(0), number(pages<<13), number(8), call, fdWrite, drop)),
}

// doubling is fifty functions each of which calls the next one twice. There is no loop, and no
// recursion.
func doubling() []byte {
	twice := func(f int) []byte { return []byte{call, byte(f), call, byte(f)} }
	var more [][]byte
	for i := range 50 {
		more = append(more, twice(nextFunction+i+1))
	}
	return module(twice(nextFunction), append(more, nil)...)
}

// vectors fills the memory with vectors, each of which is the whole memory.
func vectors() []byte {
	const at = 0 // the variable
	return code(number(0), localSet, at,
		loop, empty,
		localGet, at, number(0), writeI32,
		localGet, at, number(pages<<16), []byte{store, 2, 4},
		localGet, at, number(8), 0x6a, localSet, at,
		localGet, at, number(pages<<16), 0x49, brIf, 0,
		end)
}

// TestEndless_Context: a guest that never ends is stopped when its context ends, and meanwhile the
// garbage collector runs.
func TestEndless_Context(t *testing.T) {
	for name, m := range endless {
		t.Run(name, func(t *testing.T) {
			g := assembled(t, m, wasm.Config{Memory: 4 << 20})
			ctx, cancel := context.WithCancelCause(t.Context())
			ended := make(chan error, 1)
			go func() {
				_, err := g.Run(ctx, nil)
				ended <- err
			}()
			for range 3 {
				runtime.GC() // it stops the world, which a guest must not prevent
			}
			select {
			case err := <-ended:
				require.Fail(t, "it ended by itself", err)
			default:
			}
			cancel(errEnough)
			require.ErrorIs(t, <-ended, errEnough)
		})
	}
}

var errEnough = fmt.Errorf("enough")

// TestEndless_Fuel: it is stopped by its fuel too, always at the same place.
func TestEndless_Fuel(t *testing.T) {
	for name, m := range endless {
		t.Run(name, func(t *testing.T) {
			g := assembled(t, m, wasm.Config{Memory: 4 << 20, Fuel: 1_000_000})
			first, err := g.Run(t.Context(), nil)
			require.ErrorIs(t, err, wasm.ErrFuel)
			require.GreaterOrEqual(t, first.Fuel, uint64(1_000_000))
			require.LessOrEqual(t, first.Memory, uint64(4<<20))
			second, err := g.Run(t.Context(), nil)
			require.ErrorIs(t, err, wasm.ErrFuel)
			require.Equal(t, first, second)
		})
	}
}

// TestHost: what a guest may ask of the host can't hurt it.
func TestHost(t *testing.T) {
	t.Run("a descriptor of two billion", func(t *testing.T) {
		g := assembled(t, module(code(number(1), number(1<<31-1), call, fdRenumber, exitWith)), wasm.Config{})
		var exit *wasm.ExitError
		_, err := g.Run(t.Context(), nil)
		require.ErrorAs(t, err, &exit)
		require.EqualValues(t, 58, exit.Code)
	})
	t.Run("a connection", func(t *testing.T) {
		for descriptor := range int32(10) {
			g := assembled(t, module(code(number(descriptor), number(0), number(0), call, sockAccept, exitWith)), wasm.Config{})
			_, err := g.Run(t.Context(), nil)
			require.ErrorContains(t, err, "code 8") // bad descriptor
		}
	})
	t.Run("subscriptions beyond the memory", func(t *testing.T) {
		g := assembled(t, module(code(number(0), number(0), number(0x05555556), number(0), call, pollOneoff, exitWith)), wasm.Config{})
		_, err := g.Run(t.Context(), nil)
		require.Error(t, err)
		require.Less(t, len(err.Error()), 500)
	})
}

// TestMemory: a guest gets no more than its limit, and its error says so.
func TestMemory(t *testing.T) {
	const limit = 2 << 20 // its memory may be 2 GiB by itself
	grow := func(pages int32) []byte { return code(number(pages), memoryGrow) }
	t.Run("as much as it may have", func(t *testing.T) {
		result, err := assembled(t, module(code(grow(16), number(16), 0x6b, exitWith)), wasm.Config{Memory: limit}).Run(t.Context(), nil)
		require.NoError(t, err) // the size before was 16 pages
		require.EqualValues(t, limit, result.Memory)
	})
	t.Run("more", func(t *testing.T) {
		_, err := assembled(t, module(code(grow(17), exitWith)), wasm.Config{Memory: limit}).Run(t.Context(), nil)
		require.ErrorIs(t, err, wasm.ErrMemory)
		var exit *wasm.ExitError
		require.ErrorAs(t, err, &exit)
		require.Equal(t, uint32(0xffffffff), exit.Code) // what memory.grow returns
	})
	t.Run("a trap after more", func(t *testing.T) {
		_, err := assembled(t, module(code(grow(17), drop, unreachable)), wasm.Config{Memory: limit}).Run(t.Context(), nil)
		require.ErrorIs(t, err, wasm.ErrMemory)
		var trap *wasm.TrapError
		require.ErrorAs(t, err, &trap)
	})
	t.Run("tables", func(t *testing.T) {
		g := assembled(t, module(code(nullFunc, number(1<<20), tableGrow, exitWith)), wasm.Config{})
		_, err := g.Run(t.Context(), nil)
		require.ErrorContains(t, err, "code 4294967295")
	})
}

// TestReply: a result has a limit.
func TestReply(t *testing.T) {
	g := assembled(t, echo, wasm.Config{MaxReply: 1000})
	result, err := g.Run(t.Context(), []byte(strings.Repeat("x", 1000)))
	require.NoError(t, err)
	require.Len(t, result.Value, 1000)
	result, err = g.Run(t.Context(), []byte(strings.Repeat("x", 1001)))
	require.ErrorIs(t, err, wasm.ErrReply)
	require.Nil(t, result.Value)
}

// TestNew_Mistakes: a module that can't be run is an error of New that says why.
func TestNew_Mistakes(t *testing.T) {
	nop := module(nil)
	replaced := func(old, with string) []byte { return []byte(strings.ReplaceAll(string(nop), old, with)) }
	for want, m := range map[string][]byte{
		"magic":                         []byte("#!/bin/sh"),
		"of \"wasi_snapshot_preview9\"": replaced("wasi_snapshot_preview1", "wasi_snapshot_preview9"),
		"\"fd_wrote\"":                  replaced("fd_write", "fd_wrote"),
		"with other types":              replaced("random_get\x00\x02", "random_get\x00\x01"),
		"exports no function _start":    replaced("_start", "_begin"),
		"invalid function index":        module([]byte{call, 99}),
		"invalid global index":          module(code(number(1<<30), globalSet, 0)),
	} {
		_, err := wasm.New(m, wasm.Config{})
		require.ErrorIs(t, err, wasm.ErrModule, want)
		require.ErrorContains(t, err, want)
	}
	_, err := wasm.New(nop, wasm.Config{Memory: 1<<20 - 1})
	require.ErrorContains(t, err, "Config.Memory is 1048575")
	_, err = wasm.New(nop, wasm.Config{Memory: 5 << 30, MaxReply: -1, Env: []string{"x"}, Args: []string{"\x00"}})
	for _, field := range []string{"Memory", "MaxReply", "Env", "Args"} {
		require.ErrorContains(t, err, "Config."+field)
	}
}

// TestStop_AtOnce: a guest whose job is over before it starts does nothing.
func TestStop_AtOnce(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Nanosecond)
	defer cancel()
	<-ctx.Done()
	_, err := assembled(t, echo, wasm.Config{}).Run(ctx, []byte("x"))
	require.ErrorIs(t, err, context.DeadlineExceeded)
}
