//go:build unix

package scenario_test

import (
	"bufio"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/internal/brokertest"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/rabbitmq"
)

// TestScenario42_RollingRestarts: two nodes, each a process, are ended and replaced in turn, fifty
// times, by the new release and by the old one. Each message, of which half are what only the new
// release can do, is run once, and none is dead-lettered.
func TestScenario42_RollingRestarts(t *testing.T) {
	t.Run("RabbitMQ", func(t *testing.T) {
		at, name := brokertest.RabbitMQ(t), uniqueName()
		t.Cleanup(func() {
			b, err := rabbitmq.New(at, rabbitmq.Config{Type: rabbitmq.Quorum})
			require.NoError(t, err)
			require.NoError(t, b.Queue(name).Delete(context.Background()))
			require.NoError(t, b.Close())
		})
		rollingRestarts(t, at, name)
	})
	t.Run("JetStream", func(t *testing.T) {
		// A server before 2.10.14 may deliver a message twice: see docs/drivers.md.
		rollingRestarts(t, brokertest.OwnNATS(t), uniqueName())
	})
}

func rollingRestarts(t *testing.T, at, name string) {
	const restarts, perRestart = 50, 12
	t.Helper()
	broker := t.Name()[strings.LastIndexByte(t.Name(), '/')+1:]
	_, publisher, closer, err := rollingQueueOf(broker, at, name)
	require.NoError(t, err)
	defer func() { require.NoError(t, closer.Close()) }()
	dir := t.TempDir()
	start := func(release string) func() { return startRollingNode(t, dir, broker, at, name, release) }
	stops := []func(){start("old"), start("old")}
	published := 0
	for i := range restarts {
		msgs := make([]queue.Message, perRestart)
		for j := range msgs {
			msgs[j] = rollingMessage(published)
			published++
		}
		require.NoError(t, publisher.Publish(t.Context(), msgs...))
		stops[i%2]()
		release := "new"
		if i < restarts-2 && i%4 < 2 { // to and fro, and new in the end
			release = "old"
		}
		stops[i%2] = start(release)
	}
	runs := rollingRuns(t, dir, published)
	for _, stop := range stops {
		stop()
	}
	require.Len(t, rollingRuns(t, dir, published), len(runs))
	seen, later := map[string]int{}, 0
	for _, line := range runs {
		id, attempt, _ := strings.Cut(line, " ")
		seen[id]++
		require.Equal(t, 1, seen[id], "%s was run again", id)
		if attempt != "1" {
			later++
		}
	}
	t.Logf("%d of %d runs were not the first attempt", later, published)
	require.LessOrEqual(t, later, published/20, "attempts lost to a cancel, which docs/drivers.md tells of")
	require.Len(t, seen, published)
	dead, ok := publisher.(interface {
		DeadLetters(ctx context.Context, most int) ([]queue.Message, error)
	})
	require.True(t, ok)
	letters, err := dead.DeadLetters(t.Context(), 100)
	require.NoError(t, err)
	require.Empty(t, letters)
}

// rollingRuns waits until n runs were written, and returns them.
func rollingRuns(t *testing.T, dir string, n int) []string {
	t.Helper()
	for end := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		text, err := os.ReadFile(filepath.Join(dir, "runs")) //nolint:gosec // the test's own
		require.NoError(t, err)
		lines := strings.Split(strings.TrimSpace(string(text)), "\n")
		if len(lines) >= n {
			return lines
		}
		require.True(t, time.Now().Before(end), "%d of %d were run", len(lines), n)
	}
}

// startRollingNode returns when the node consumes. The function that it returns has the node drain,
// and returns when it has ended.
func startRollingNode(t *testing.T, dir, broker, at, name, release string) (stop func()) {
	t.Helper()
	cmd := exec.Command(os.Args[0]) //nolint:gosec // this test
	cmd.Env = append(os.Environ(), rollingDir+"="+dir, rollingBroker+"="+broker, rollingURL+"="+at, rollingQueue+"="+name,
		rollingRelease+"="+release, "GORACE="+os.Getenv("GORACE")+" atexit_sleep_ms=0") // 1 s by default
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	ended := false
	t.Cleanup(func() {
		if !ended {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		}
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "up\n", line)
	return func() {
		require.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
		ended = true
		require.NoError(t, cmd.Wait())
	}
}
