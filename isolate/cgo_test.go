package isolate_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/isolate"
)

// TestScenario37_Cgo: a job that dereferences nil in C code has failed with the report of the
// runtime, and its neighbours are done. Tests can't use cgo themselves, so this builds a program.
func TestScenario37_Cgo(t *testing.T) {
	program := filepath.Join(t.TempDir(), "cgo")
	build := exec.Command("go", "build", "-o", program, "./testdata/cgo")
	build.Env = append(os.Environ(), "CGO_ENABLED=1")
	output, err := build.CombinedOutput()
	require.NoError(t, err, "%s; `make cc` installs a C compiler", output)

	run := exec.Command(program)
	run.Stderr = os.Stderr
	output, err = run.Output()
	require.NoError(t, err)
	var report struct {
		Settled int
		Failed  []string
		Crash   *isolate.CrashError
		Letters []string
	}
	require.NoError(t, json.Unmarshal(output, &report))
	require.Equal(t, 101, report.Settled)
	require.Equal(t, []string{"victim"}, report.Failed)
	require.Contains(t, report.Crash.Goroutines, "SIGSEGV: segmentation violation")
	require.Contains(t, report.Crash.Goroutines, "signal arrived during cgo execution")
	require.Contains(t, report.Crash.Stack(), "main._Cfunc_dereference")
	require.Len(t, report.Letters, 1)
	require.Contains(t, report.Letters[0], "SIGSEGV")
}
