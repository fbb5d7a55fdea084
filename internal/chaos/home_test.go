package chaos

import (
	"fmt"
	"os"
	"testing"
	"time"

	natsgo "github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"
)

func ExampleTable() {
	var t Table
	_ = t.Add(Row{
		Fault: "cable pulled", Broker: Quorum, Times: 3, Published: 100, Acknowledged: 98, DeadLettered: 2, Duplicates: 4,
		LongestPause: Span(1204 * time.Millisecond), Away: Span(940 * time.Millisecond), Resumed: Span(71 * time.Millisecond),
	})
	_ = t.Print(os.Stdout)
	// Output:
	// FAULT         BROKER           TIMES  PUBLISHED  ACKED  DEAD  PURGED  DUPLICATES  LOST  LONGEST PAUSE  AWAY   RESUMED AFTER
	// cable pulled  RabbitMQ quorum  3      100        98     2     0       4           0     1.204s         940ms  71ms
}

// TestNothingOutlivesATestProcess: a test process that is killed leaves no server and no files.
func TestNothingOutlivesATestProcess(t *testing.T) {
	cmd, err := self("parent", "")
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	var url, dir string
	_, err = fmt.Fscan(out, &url, &dir)
	require.NoError(t, err)
	conn, err := natsgo.Connect(url)
	require.NoError(t, err)
	conn.Close()
	require.DirExists(t, dir)

	require.NoError(t, cmd.Process.Kill())
	_ = cmd.Wait() // killed
	require.Eventually(t, func() bool {
		_, err := os.Stat(dir)
		return os.IsNotExist(err)
	}, limit, 10*time.Millisecond)
	_, err = natsgo.Connect(url, natsgo.NoReconnect())
	require.Error(t, err)
}

// TestProxy_Weather: a client sees the weather that the proxy reports.
func TestProxy_Weather(t *testing.T) {
	j := sharedStream(t)
	p := newProxy(t, j.URL(0))
	connect := func() error {
		conn, err := natsgo.Connect(p.URL(), natsgo.NoReconnect(), natsgo.Timeout(300*time.Millisecond))
		if err == nil {
			conn.Close()
		}
		return err
	}
	require.NoError(t, connect())
	p.Stall()
	require.ErrorContains(t, connect(), "timeout")
	p.Clear()
	require.NoError(t, connect())
	p.Refuse()
	require.ErrorIs(t, connect(), natsgo.ErrNoServers)
	require.NoError(t, p.Accept())
	require.NoError(t, connect())
	p.Slow(time.Second)
	require.ErrorContains(t, connect(), "timeout")
	p.Clear()
	p.Shuffle(50 * time.Millisecond)
	require.NoError(t, connect())
}
