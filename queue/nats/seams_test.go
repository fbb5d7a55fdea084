package nats_test

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/internal/brokertest"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/nats"
	"github.com/gentask/gentask/queue/queuetest"
)

func TestStoreConformance(t *testing.T) {
	t.Parallel()
	queuetest.RunStore(t, func(t testing.TB) queuetest.StoreFixture { return storeFixture(t, newProcess(t), nats.Config{}) })
}

func storeFixture(t testing.TB, p *serverProcess, cfg nats.Config) queuetest.StoreFixture {
	t.Helper()
	gate := brokertest.NewProxy(t, p.url())
	b, aside := newBroker(t, gate.URL(), cfg), newBroker(t, p.url(), cfg)
	return queuetest.StoreFixture{
		Open:        func(ctx context.Context) (queue.Store, error) { return b.Store(ctx, "fleet") },
		Aside:       func(ctx context.Context) (queue.Store, error) { return aside.Store(ctx, "fleet") },
		Cut:         gate.Refuse,
		LoseAnswers: gate.Mute,
		Restore:     gate.Open,
		Kill:        p.restart,
		Wipe: func() {
			require.NoError(t, bare(t, p.url()).DeleteStream(soon(t), "KV_gentask_fleet"))
		},
	}
}

func TestBusConformance(t *testing.T) {
	t.Parallel()
	queuetest.RunBus(t, func(t testing.TB) queuetest.BusFixture {
		p := newProcess(t)
		gate := brokertest.NewProxy(t, p.url())
		b, aside := newBroker(t, gate.URL(), nats.Config{}), newBroker(t, p.url(), nats.Config{})
		return queuetest.BusFixture{
			Open:    func(ctx context.Context) (queue.Bus, error) { return b.Bus(ctx, "fleet") },
			Aside:   func(ctx context.Context) (queue.Bus, error) { return aside.Bus(ctx, "fleet") },
			Cut:     gate.Refuse,
			Restore: gate.Open,
			Kill:    p.restart,
		}
	})
}

// childEnv has the port and the directory of a server in a child process.
const childEnv = "GENTASK_TEST_NATS_SERVER"

// serveChild runs a server until the process is killed, if the environment wants one.
func serveChild() {
	var port int
	var dir string
	if _, err := fmt.Sscanf(os.Getenv(childEnv), "%d %s", &port, &dir); err != nil {
		return
	}
	s, err := start(&server.Options{Host: "127.0.0.1", Port: port, StoreDir: dir, JetStream: true})
	if err != nil {
		fmt.Println("failed:", err)
		os.Exit(1)
	}
	fmt.Println("ready", s.Addr().(*net.TCPAddr).Port)
	_, _ = bufio.NewReader(os.Stdin).ReadString('\n') // ends with the parent
	os.Exit(0)
}

// serverProcess is a server that can be killed.
type serverProcess struct {
	t    testing.TB
	dir  string
	port int
	cmd  *exec.Cmd
}

func newProcess(t testing.TB) *serverProcess {
	t.Helper()
	p := &serverProcess{t: t, dir: t.TempDir(), port: server.RANDOM_PORT}
	p.start()
	t.Cleanup(p.kill)
	return p
}

func (p *serverProcess) url() string { return fmt.Sprintf("nats://127.0.0.1:%d", p.port) }

func (p *serverProcess) start() {
	self, err := os.Executable()
	require.NoError(p.t, err)
	p.cmd = exec.Command(self)
	p.cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%d %s", childEnv, p.port, p.dir))
	_, err = p.cmd.StdinPipe()
	require.NoError(p.t, err)
	out, err := p.cmd.StdoutPipe()
	require.NoError(p.t, err)
	require.NoError(p.t, p.cmd.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(p.t, err)
	_, err = fmt.Sscanf(line, "ready %d", &p.port)
	require.NoError(p.t, err, line)
}

// kill ends the process without a warning.
func (p *serverProcess) kill() {
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
}

func (p *serverProcess) restart() {
	p.kill()
	time.Sleep(300 * time.Millisecond)
	p.start()
}
