package embedded

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/nats"
)

// The child publishes crashJobs, acknowledges acked of them, holds one more, and waits to be
// killed.
const (
	crashJobs  = 50
	crashAcked = 20
	crashWork  = time.Second // of the job that is killed: the server records its deliveries only after a moment
)

var crashConfig = Config{Queues: nats.Config{Lease: time.Second, DoubleAck: true}}

func child(dir string) int {
	err := publishAndHold(dir)
	runtime.GC() // a forgotten broker keeps its lock
	runtime.GC()
	fmt.Println(err)
	if err != nil {
		return 1
	}
	_, _ = io.Copy(io.Discard, os.Stdin) // until killed
	return 0
}

func publishAndHold(dir string) error {
	ctx := context.Background()
	b, err := Open(dir, crashConfig)
	if err != nil {
		return err
	}
	q := b.Queue("jobs")
	for i := range crashJobs {
		if err := q.Publish(ctx, queue.Message{ID: strconv.Itoa(i)}); err != nil {
			return err
		}
	}
	s, err := q.Open(ctx, queue.Options{Prefetch: 1})
	if err != nil {
		return err
	}
	for range crashAcked {
		d, err := s.Receive(ctx)
		if err != nil {
			return err
		}
		if err := s.Settle(ctx, []queue.Settlement{{Delivery: d, Disposition: queue.Ack}}); err != nil {
			return err
		}
	}
	if _, err := s.Receive(ctx); err != nil {
		return err
	}
	<-time.After(crashWork)
	return nil
}

// A process that is killed loses no message that was confirmed, and releases its directory; the
// deliveries that it held come back as the next attempt.
func TestKilledProcessLosesNothing(t *testing.T) {
	dir, ctx := t.TempDir(), soon(t)
	kill := startChild(t, dir)
	_, err := Open(dir)
	require.ErrorIs(t, err, ErrInUse)
	require.NotContains(t, err.Error(), "this process")
	kill()

	b := newBroker(t, dir, crashConfig)
	s, err := b.Queue("jobs").Open(ctx, queue.Options{Prefetch: crashJobs})
	require.NoError(t, err)
	attempts := map[string]int{}
	for len(attempts) < crashJobs-crashAcked {
		d, err := s.Receive(ctx)
		require.NoError(t, err, "lost some: got %d of %d", len(attempts), crashJobs-crashAcked)
		if id, err := strconv.Atoi(d.ID); err == nil && id >= crashAcked { // an ack of the last moment may be forgotten
			attempts[d.ID] = d.Attempt
		}
	}
	require.Equal(t, 2, attempts[strconv.Itoa(crashAcked)], "it was held when the process was killed")
	require.NoError(t, s.Close(ctx))
}

// startChild returns when the child holds a delivery. The function it returns kills it.
func startChild(t *testing.T, dir string) (kill func()) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childDir+"="+dir, childRole+"=hold")
	in, err := cmd.StdinPipe() // its end would end the child, should the test die
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	kill = func() {
		_ = cmd.Process.Kill()
		var exit *exec.ExitError
		if err := cmd.Wait(); err != nil && !errors.As(err, &exit) {
			t.Error(err)
		}
		_ = in.Close()
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil || line != "<nil>\n" {
		kill()
		t.Fatalf("child: %q, %v", line, err)
	}
	return kill
}
