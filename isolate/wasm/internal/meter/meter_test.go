package meter_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/tetratelabs/wazero"

	"github.com/gentask/gentask/isolate/wasm/internal/meter"
)

// suite returns the modules of WebAssembly's own tests, which the runtime has with its source.
func suite(t *testing.T) []string {
	t.Helper()
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/tetratelabs/wazero").Output()
	require.NoError(t, err)
	dir := filepath.Join(strings.TrimSpace(string(out)), "internal", "integration_test", "spectest")
	modules, err := filepath.Glob(filepath.Join(dir, "v[12]", "testdata", "*.wasm"))
	require.NoError(t, err)
	require.Greater(t, len(modules), 3000)
	return modules
}

// TestMeter_SpecificationSuite: each valid module of WebAssembly's own tests stays valid, but for
// those that import something else than functions. Others cause no panic.
func TestMeter_SpecificationSuite(t *testing.T) {
	r := wazero.NewRuntimeWithConfig(t.Context(), wazero.NewRuntimeConfigInterpreter())
	defer r.Close(t.Context())
	changed := 0
	for _, path := range suite(t) {
		module, err := os.ReadFile(path)
		require.NoError(t, err)
		before, invalid := r.CompileModule(t.Context(), module)
		counted, err := meter.Meter(module)
		if invalid != nil {
			continue
		}
		require.NoError(t, before.Close(t.Context()))
		if err != nil {
			require.ErrorContains(t, err, "want nothing but functions", filepath.Base(path))
			continue
		}
		changed++
		after, err := r.CompileModule(t.Context(), counted.Module)
		require.NoError(t, err, filepath.Base(path))
		require.NoError(t, after.Close(t.Context()))
	}
	require.Greater(t, changed, 2000)
}

// FuzzMeter: whatever the module is, there is no panic.
func FuzzMeter(f *testing.F) {
	f.Add([]byte("\x00asm\x01\x00\x00\x00"))
	f.Add([]byte("\x00asm\x01\x00\x00\x00\x01\x04\x01\x60\x00\x00\x03\x02\x01\x00\x0a\x09\x01\x07\x00\x03\x40\x0c\x00\x0b\x0b"))
	f.Fuzz(func(t *testing.T, module []byte) {
		if counted, err := meter.Meter(module); err == nil {
			require.GreaterOrEqual(t, len(counted.Module), len(module)/2)
		}
	})
}
