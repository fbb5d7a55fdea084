package wasm_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/isolate/wasm"
	"github.com/gentask/gentask/queue"
)

// guest returns the guest of the tests with default limits, compiled once.
var guest = sync.OnceValue(func() *wasm.Guest {
	g, err := wasm.New(program, wasm.Config{Memory: 32 << 20})
	if err != nil {
		panic(err)
	}
	return g
})

func value(t *testing.T, g *wasm.Guest, body string) string {
	t.Helper()
	result, err := g.Run(t.Context(), []byte(body))
	require.NoError(t, err)
	return string(result.Value)
}

// TestRun_SameAsUnchanged: a module that counts has the result that it has without, in the
// runtime's other engine.
func TestRun_SameAsUnchanged(t *testing.T) {
	r := wazero.NewRuntimeWithConfig(t.Context(), wazero.NewRuntimeConfigInterpreter())
	defer r.Close(t.Context())
	wasi_snapshot_preview1.MustInstantiate(t.Context(), r)
	var out bytes.Buffer
	_, err := r.InstantiateWithConfig(t.Context(), program,
		wazero.NewModuleConfig().WithStdin(strings.NewReader("work 1")).WithStdout(&out))
	require.NoError(t, err)
	require.NotEmpty(t, out.String())
	require.Equal(t, out.String(), value(t, guest(), "work 1"))
}

// TestRun_Bytes: bytes go in and come out as they are.
func TestRun_Bytes(t *testing.T) {
	g := assembled(t, echo, wasm.Config{})
	for _, n := range []int{0, 1, 65535, 65536, 65537, 1 << 20} {
		body := make([]byte, n)
		for i := range body {
			body[i] = byte(i * i >> 3)
		}
		result, err := g.Run(t.Context(), body)
		require.NoError(t, err)
		require.True(t, bytes.Equal(body, result.Value), n)
	}
	require.Equal(t, "\x00\xffx", value(t, guest(), "echo \x00\xffx"))
}

// TestRun_Together: jobs at a time, and one after the other, share nothing.
func TestRun_Together(t *testing.T) {
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			for range 5 {
				result, err := guest().Run(t.Context(), []byte("state"))
				if string(result.Value) != "1" || err != nil {
					t.Errorf("job %d: %q, %v", i, result.Value, err)
				}
			}
		})
	}
	wg.Wait()
}

// TestRun_HasNothing: a guest reaches nothing of the host.
func TestRun_HasNothing(t *testing.T) {
	t.Setenv("SECRET", "of the host")
	require.Equal(t, "nothing", value(t, guest(), "reach"))
	require.Empty(t, value(t, guest(), "env"))
	require.Empty(t, value(t, guest(), "args"))
}

// TestRun_Clock: time is the same for each job, and sleep takes none.
func TestRun_Clock(t *testing.T) {
	require.Equal(t, "2000-01-01T00:00:00Z", value(t, guest(), "time"))
	require.Equal(t, "slept", value(t, guest(), "sleep"))
	require.Equal(t, "2000-01-01T00:00:00Z", value(t, guest(), "time"))
}

// TestRun_RealClock: a guest that may see the time sees it, and a sleep ends with its job.
func TestRun_RealClock(t *testing.T) {
	g := guest().Limited(wasm.Config{Clock: true, Random: true, Args: []string{"me", "x"}, Env: []string{"A=b=c"}})
	now, err := time.Parse(time.RFC3339, value(t, g, "time"))
	require.NoError(t, err)
	require.WithinDuration(t, time.Now(), now, time.Minute)
	require.Equal(t, "me\nx", value(t, g, "args"))
	require.Equal(t, "A=b=c", value(t, g, "env"))
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err = g.Run(ctx, []byte("sleep"))
	require.ErrorIs(t, err, context.DeadlineExceeded)
}

// TestRun_Fuel: the same job takes the same fuel, and more work takes more.
func TestRun_Fuel(t *testing.T) {
	fuel := func(body string) uint64 {
		result, err := guest().Run(t.Context(), []byte(body))
		require.NoError(t, err)
		return result.Fuel
	}
	first, second := fuel("work 10"), fuel("work 10")
	require.Equal(t, first, second)
	require.Greater(t, first, 2*fuel("echo"))
}

// TestRun_WaysToDie: how a program in Go can end, and what the job's error says.
func TestRun_WaysToDie(t *testing.T) {
	for _, way := range []struct {
		body   string
		code   uint32
		stderr string
		where  string // of the stack
		is     error
	}{
		{body: "exit 3", code: 3, stderr: "exits"},
		{body: "exit 65", code: 65, stderr: "exits"},
		{body: "exit 75", code: 75, stderr: "exits"},
		{body: "panic now", code: 2, stderr: "panic: boom now", where: "main.do("},
		{body: "hog", code: 2, stderr: "out of memory", where: "main.do(", is: wasm.ErrMemory},
		{body: "whine", code: 1, stderr: "xxx"},
	} {
		t.Run(way.body, func(t *testing.T) {
			result, err := guest().Run(t.Context(), []byte(way.body))
			var exit *wasm.ExitError
			require.ErrorAs(t, err, &exit)
			require.Nil(t, result.Value)
			require.Equal(t, way.code, exit.Code)
			require.Contains(t, exit.Stderr+exit.Goroutines, way.stderr)
			require.LessOrEqual(t, len(exit.Stderr), 16<<10)
			require.Contains(t, exit.Stack(), way.where)
			if way.is != nil {
				require.ErrorIs(t, err, way.is)
			}
			d := gentask.Decision{}
			_ = errors.As(err, &d)
			want := map[uint32]queue.Disposition{65: queue.DeadLetter, 75: queue.Requeue}[way.code]
			require.Equal(t, want, d.Disposition())
		})
	}
}

// TestRun_Fingerprint: deaths at the same place are the same, and at others they are not.
func TestRun_Fingerprint(t *testing.T) {
	fingerprint := func(g *wasm.Guest, body string) string {
		_, err := g.Run(t.Context(), []byte(body))
		var with interface{ Stack() string }
		require.ErrorAs(t, err, &with)
		return queue.Fingerprint(with.Stack())
	}
	require.Equal(t, fingerprint(guest(), "panic 1"), fingerprint(guest(), "panic 2"))
	require.NotEmpty(t, fingerprint(guest(), "panic 1"))
	trap := assembled(t, module([]byte{call, nextFunction}, []byte{unreachable}), wasm.Config{})
	other := assembled(t, module([]byte{unreachable}), wasm.Config{})
	require.NotEmpty(t, fingerprint(trap, ""))
	require.NotEqual(t, fingerprint(trap, ""), fingerprint(other, ""))
}
