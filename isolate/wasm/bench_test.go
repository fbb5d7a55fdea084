package wasm_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"

	"github.com/gentask/gentask/isolate/wasm"
)

// BenchmarkRun is what an instance costs: of a module of 300 bytes, and of a program in Go.
func BenchmarkRun(b *testing.B) {
	small, err := wasm.New(echo, wasm.Config{})
	require.NoError(b, err)
	for name, g := range map[string]*wasm.Guest{"small": small, "Go": guest()} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := g.Run(b.Context(), []byte("echo x")); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkWork is what counting costs a program in Go, compared with the same module as it is, and
// with the runtime's own checks.
func BenchmarkWork(b *testing.B) {
	b.Run("counted", func(b *testing.B) {
		for b.Loop() {
			if _, err := guest().Run(b.Context(), []byte("work 100")); err != nil {
				b.Fatal(err)
			}
		}
	})
	for name, checks := range map[string]bool{"unchanged": false, "runtime's checks": true} {
		r := wazero.NewRuntimeWithConfig(b.Context(), wazero.NewRuntimeConfig().WithCloseOnContextDone(checks))
		wasi_snapshot_preview1.MustInstantiate(b.Context(), r)
		compiled, err := r.CompileModule(b.Context(), program)
		require.NoError(b, err)
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				var out bytes.Buffer
				config := wazero.NewModuleConfig().WithName("").WithStdin(strings.NewReader("work 100")).WithStdout(&out)
				m, err := r.InstantiateModule(b.Context(), compiled, config)
				if err != nil {
					b.Fatal(err)
				}
				_ = m.Close(b.Context())
			}
		})
		_ = r.Close(b.Context())
	}
}
