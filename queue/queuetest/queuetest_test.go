package queuetest_test

import (
	"context"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/memory"
	"github.com/gentask/gentask/queue/queuetest"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// bugEnv names the bug that a child process plants.
const bugEnv = "QUEUETEST_BUG"

// TestFindsBugs: a driver with a bug fails the case for it, and passes it without the bug.
func TestFindsBugs(t *testing.T) {
	for name, bug := range bugs() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			out, err := suite(t, bug.found, "")
			require.NoError(t, err, "without a bug:\n%s", out)
			require.Contains(t, out, "--- PASS: TestDriver/"+bug.found, "the case does not exist")
			out, err = suite(t, bug.found, name)
			require.Error(t, err, "with the bug:\n%s", out)
			require.Contains(t, out, "--- FAIL: TestDriver/"+bug.found)
		})
	}
}

// suite runs one case of the suite in a child process, because it should fail.
func suite(t *testing.T, name, bug string) (string, error) {
	return suiteOf(t, "TestDriver", name, bug)
}

// suiteOf runs one case of a suite in a child process.
func suiteOf(t *testing.T, suite, name, bug string) (string, error) {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	child := exec.CommandContext(t.Context(), self, "-test.v", "-test.timeout=2m", "-test.run=^"+suite+"$/^"+strings.ReplaceAll(name, "/", "$/^")+"$")
	child.Env = append(os.Environ(), bugEnv+"="+bug, "GOCOVERDIR="+t.TempDir())
	out, err := child.CombinedOutput()
	return string(out), err
}

// TestDriver runs the suite on a memory queue, with a bug if the environment names one. It is
// quick, except for the cases about time.
func TestDriver(t *testing.T) {
	bug, ok := os.LookupEnv(bugEnv)
	if !ok {
		t.Log("a child of TestFindsBugs; the suite as a whole runs in package memory")
		return
	}
	queuetest.Run(t, func(t testing.TB) queuetest.Fixture {
		q := memory.New(memory.Config{})
		t.Cleanup(q.Close)
		d := &driver{Queue: q, bug: bugs()[bug]}
		return queuetest.Fixture{
			Source:      d,
			Publisher:   d,
			DeadLetters: func(context.Context) ([]queue.Message, error) { return q.DeadLetters(), nil },
			Lacks:       map[queuetest.Capability]string{queuetest.Letters: "package memory tests its own"},
			Break:       func() { q.LoseSessions() },
			Held:        func(context.Context) (int, error) { return q.Stats().Held, nil },
		}
	})
}
