package fleet_test

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/fleet"
	"github.com/gentask/gentask/internal/chaos"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/memory"
	"github.com/gentask/gentask/queue/nats"
)

// nodeEnv makes this program one node of TestProcesses. It holds the journal's address, the
// broker's, and the name of the node.
const nodeEnv = "GENTASK_FLEET_NODE"

// unitsOfProcesses is the limit in TestProcesses.
const unitsOfProcesses = 5

// runNode is a process of TestProcesses, until its journal ends. It reports each job and each run
// of a singleton to the journal, and waits for its answer when one has ended: nothing that the
// broker does can come before that.
func runNode(arg string) error {
	at := strings.Split(arg, ";")
	conn, err := net.Dial("unix", at[0])
	if err != nil {
		return err
	}
	j := &nodeJournal{conn: conn}
	b, err := nats.New(at[1], nats.Config{})
	if err != nil {
		return err
	}
	ctx := context.Background()
	q := memory.New(memory.Config{Name: "jobs"})
	msgs := make([]queue.Message, 50_000)
	if err := q.Publish(ctx, msgs...); err != nil {
		return err
	}
	consumer, err := gentask.New(q, gentask.Handle(func(ctx context.Context, _ []byte) error {
		j.write("+")
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
		}
		j.leave("-")
		return nil
	}), gentask.Config{Concurrency: 4, Policy: gentask.Policy{Fleet: gentask.FleetLimits{Concurrency: unitsOfProcesses}}})
	if err != nil {
		return err
	}
	node, err := fleet.Join(ctx, b, fleet.Config{Node: at[2]}, consumer)
	if err != nil {
		return err
	}
	if err := consumer.Start(); err != nil {
		return err
	}
	go func() {
		_ = node.Only(ctx, "report", func(ctx context.Context, epoch uint64) error {
			j.write(fmt.Sprint("enter ", epoch))
			<-ctx.Done()
			j.leave("leave")
			return ctx.Err()
		})
	}()
	return j.read()
}

// nodeJournal is a node's line to the journal.
type nodeJournal struct {
	conn net.Conn
	mu   sync.Mutex
	open []chan struct{} // those who wait for an answer
}

func (j *nodeJournal) write(line string) { j.send(line, nil) }

// leave writes a line and waits for the answer.
func (j *nodeJournal) leave(line string) {
	done := make(chan struct{})
	j.send(line, done)
	<-done
}

func (j *nodeJournal) send(line string, done chan struct{}) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if done != nil {
		j.open = append(j.open, done)
	}
	_, _ = fmt.Fprintln(j.conn, line)
}

// read gives the answers to those who wait, until the journal ends.
func (j *nodeJournal) read() error {
	lines := bufio.NewScanner(j.conn)
	for lines.Scan() {
		j.mu.Lock()
		close(j.open[0])
		j.open = j.open[1:]
		j.mu.Unlock()
	}
	return lines.Err()
}

// fleetJournal is what all nodes do, as seen from outside of the broker's network.
type fleetJournal struct {
	listener net.Listener
	work     sync.WaitGroup

	mu     sync.Mutex
	nodes  map[string]*seenNode
	most   int
	jobs   int
	epoch  uint64
	faults []string
	taken  time.Time // of the last run of the singleton
	busy   time.Duration
	since  time.Time
}

// seenNode is one process. What runs in it while it is frozen does not count, until it has ended.
type seenNode struct {
	jobs, frozen         int
	holds, frozenHolding bool
}

func newFleetJournal(t *testing.T) *fleetJournal {
	t.Helper()
	l, err := net.Listen("unix", filepath.Join(t.TempDir(), "journal"))
	require.NoError(t, err)
	j := &fleetJournal{listener: l, nodes: map[string]*seenNode{}, since: time.Now()}
	return j
}

// serve reads what one process reports, until it is dead.
func (j *fleetJournal) serve(name string, conn net.Conn) {
	lines := bufio.NewScanner(conn)
	for lines.Scan() {
		if j.note(name, lines.Text()) {
			_, _ = fmt.Fprintln(conn, "seen")
		}
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.tick()
	j.nodes[name] = &seenNode{}
	_ = conn.Close()
}

// tick adds up how long how many jobs have run.
func (j *fleetJournal) tick() (now int) {
	for _, n := range j.nodes {
		now += n.jobs
	}
	j.busy += time.Duration(now) * time.Since(j.since)
	j.since = time.Now()
	return now
}

// note notes a line. It returns true if it is to be answered.
func (j *fleetJournal) note(name, line string) (answer bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.tick()
	n := j.nodes[name]
	switch {
	case line == "+":
		n.jobs++
		j.most = max(j.most, j.tick())
	case line == "-" && n.frozen > 0:
		n.frozen--
		return true
	case line == "-":
		n.jobs--
		j.jobs++
		return true
	case line == "leave":
		n.holds, n.frozenHolding = false, false
		return true
	default:
		j.enter(name, line)
	}
	return false
}

func (j *fleetJournal) enter(name, line string) {
	var epoch uint64
	_, _ = fmt.Sscanf(line, "enter %d", &epoch)
	for other, n := range j.nodes {
		if n.holds {
			j.faults = append(j.faults, other+" and "+name+" at once")
		}
	}
	if epoch <= j.epoch {
		j.faults = append(j.faults, fmt.Sprintf("epoch %d after %d", epoch, j.epoch))
	}
	j.epoch, j.taken = epoch, time.Now()
	j.nodes[name].holds = true
}

// freeze notes that a process stands still.
func (j *fleetJournal) freeze(name string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.tick()
	n := j.nodes[name]
	n.frozen, n.jobs = n.frozen+n.jobs, 0
	n.frozenHolding, n.holds = n.frozenHolding || n.holds, false
}

// holder returns the node that runs the singleton; empty for none.
func (j *fleetJournal) holder() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	for name, n := range j.nodes {
		if n.holds {
			return name
		}
	}
	return ""
}

// process is a node that can be killed.
type process struct {
	cmd *exec.Cmd
}

// start starts a node, with a connection to the broker through at.
func (j *fleetJournal) start(t *testing.T, name, at string) *process {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), nodeEnv+"="+j.listener.Addr().String()+";"+at+";"+name)
	cmd.Stderr = os.Stderr
	require.NoError(t, cmd.Start())
	conn, err := j.listener.Accept()
	require.NoError(t, err)
	j.mu.Lock()
	j.nodes[name] = &seenNode{}
	j.mu.Unlock()
	j.work.Go(func() { j.serve(name, conn) })
	return &process{cmd}
}

func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
}

// TestProcesses: eight processes that are killed, frozen and cut off, and a broker that is killed.
// Never do more jobs run than the limit allows, nor does a singleton run twice, as a journal sees
// it that has nothing to do with the broker. Its epochs grow.
func TestProcesses(t *testing.T) {
	js, err := chaos.StartJetStream(1)
	require.NoError(t, err)
	defer func() { require.NoError(t, js.Close()) }()
	j := newFleetJournal(t)
	const n = 8
	nodes, proxies := make([]*process, n), make([]*chaos.Proxy, n)
	for i := range nodes {
		proxies[i], err = chaos.NewProxy(js.URL(0))
		require.NoError(t, err)
		defer proxies[i].Close()
		nodes[i] = j.start(t, fmt.Sprint(i), proxies[i].URL())
	}
	require.Eventually(t, func() bool { return j.holder() != "" && j.ended() > 100 }, 30*time.Second, 10*time.Millisecond)
	j.calm(t, 3*time.Second)

	r := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 1)) //nolint:gosec // it is printed with the rest
	var takeovers []time.Duration
	for range troubles() {
		i := r.IntN(n)
		name := fmt.Sprint(i)
		switch r.IntN(5) {
		case 0, 1:
			if holder := j.holder(); holder != "" {
				_, _ = fmt.Sscan(holder, &i)
				name = holder
			}
			began := time.Now()
			nodes[i].kill()
			takeovers = append(takeovers, j.takeover(t, began))
			nodes[i] = j.start(t, name, proxies[i].URL())
		case 2:
			require.NoError(t, nodes[i].cmd.Process.Signal(syscall.SIGSTOP))
			j.freeze(name)
			time.Sleep(time.Duration(r.IntN(4000)) * time.Millisecond)
			require.NoError(t, nodes[i].cmd.Process.Signal(syscall.SIGCONT))
		case 3:
			proxies[i].Refuse()
			time.Sleep(time.Duration(r.IntN(3000)) * time.Millisecond)
			require.NoError(t, proxies[i].Accept())
		case 4:
			js.Kill(0)
			time.Sleep(time.Duration(r.IntN(1000)) * time.Millisecond)
			require.NoError(t, js.Start(0))
		}
		time.Sleep(time.Duration(r.IntN(1000)) * time.Millisecond)
	}
	before := j.ended()
	require.Eventually(t, func() bool { return j.ended() > before+100 }, 30*time.Second, 10*time.Millisecond, "jobs run again")
	for _, p := range nodes {
		p.kill()
	}
	j.work.Wait()
	require.NoError(t, j.listener.Close())
	t.Logf("%d jobs, at most %d at a time; singleton taken over after %v", j.jobs, j.most, takeovers)
	require.Empty(t, j.faults)
	require.LessOrEqual(t, j.most, unitsOfProcesses)
}

// troubles is how many things happen to the processes.
func troubles() int {
	if os.Getenv("GENTASK_CHAOS") == "full" {
		return 100
	}
	return 8
}

func (j *fleetJournal) ended() int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.jobs
}

// calm logs how much of the limit is used while nothing happens.
func (j *fleetJournal) calm(t *testing.T, d time.Duration) {
	t.Helper()
	j.mu.Lock()
	j.tick()
	busy := j.busy
	j.mu.Unlock()
	time.Sleep(d)
	j.mu.Lock()
	defer j.mu.Unlock()
	j.tick()
	t.Logf("%.3f of the limit are in use", float64(j.busy-busy)/float64(d)/unitsOfProcesses)
}

// takeover returns how long after the kill of its holder the singleton ran again.
func (j *fleetJournal) takeover(t *testing.T, killed time.Time) time.Duration {
	t.Helper()
	require.Eventually(t, func() bool { return j.holder() != "" }, 30*time.Second, time.Millisecond)
	j.mu.Lock()
	defer j.mu.Unlock()
	return max(0, j.taken.Sub(killed))
}
