package fleet_test

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/internal/chaos"
)

// fleetJournal is what all nodes do, as seen from outside of the broker's network.
type fleetJournal struct {
	listener net.Listener
	work     sync.WaitGroup

	mu        sync.Mutex
	processes []*process
	most      int
	jobs      int
	keyed     int    // jobs of keys
	epoch     uint64 // of the last run of the singleton
	taken     time.Time
	rated     startsOf
	faults    []string
	busy      time.Duration
	since     time.Time
}

// process is a node that can be killed. What began before it was frozen does not count from then
// on, because the lease may be over; it remains in running until it has ended.
type process struct {
	name    string
	cmd     *exec.Cmd
	running map[string]bool // jobs and runs of the singleton; false if it was frozen meanwhile
	stopped int64           // when it was frozen last
}

func newFleetJournal(t *testing.T) *fleetJournal {
	t.Helper()
	l, err := net.Listen("unix", filepath.Join(t.TempDir(), "journal"))
	require.NoError(t, err)
	return &fleetJournal{listener: l, since: time.Now()}
}

// serve reads what one process reports, until it is dead.
func (j *fleetJournal) serve(p *process, conn net.Conn) {
	lines := bufio.NewScanner(conn)
	for lines.Scan() {
		if j.note(p, lines.Text()) {
			_, _ = fmt.Fprintln(conn, "seen")
		}
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.tick()
	clear(p.running)
	_ = conn.Close()
}

// tick adds up how long how many jobs have run.
func (j *fleetJournal) tick() (now int) {
	for _, p := range j.processes {
		for what, counts := range p.running {
			if counts && strings.HasPrefix(what, "job") {
				now++
			}
		}
	}
	j.busy += time.Duration(now) * time.Since(j.since)
	j.since = time.Now()
	return now
}

// note notes a line. It returns true if it is to be answered.
func (j *fleetJournal) note(p *process, line string) (answer bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.tick()
	var sign, kind, id string
	var at int64
	if _, err := fmt.Sscan(line, &sign, &kind, &id, &at); err != nil {
		j.faults = append(j.faults, p.name+": "+line)
		return false
	}
	if sign == "s" {
		j.rated.add(time.Unix(0, at))
		return false
	}
	what := kind + " " + id
	if sign == "-" {
		delete(p.running, what)
		switch {
		case kind == "job":
			j.jobs++
		case strings.HasPrefix(kind, "key"):
			j.keyed++
		}
		return true
	}
	counts := at > p.stopped
	if kind == "only" {
		j.enter(p, id, counts)
	}
	if strings.HasPrefix(kind, "key") && counts {
		j.enterKey(p, kind)
	}
	p.running[what] = counts
	j.most = max(j.most, j.tick())
	return false
}

// enterKey notes a job of a key.
func (j *fleetJournal) enterKey(p *process, key string) {
	for _, other := range j.processes {
		for what, runs := range other.running {
			if runs && strings.HasPrefix(what, key+" ") {
				j.faults = append(j.faults, other.name+" and "+p.name+" at once: "+key)
			}
		}
	}
}

// enter notes a run of the singleton.
func (j *fleetJournal) enter(p *process, id string, counts bool) {
	var epoch uint64
	_, _ = fmt.Sscan(id, &epoch)
	for _, other := range j.processes {
		for what, runs := range other.running {
			if runs && counts && strings.HasPrefix(what, "only") {
				j.faults = append(j.faults, other.name+" and "+p.name+" at once")
			}
		}
	}
	if epoch <= j.epoch {
		j.faults = append(j.faults, fmt.Sprintf("epoch %d after %d", epoch, j.epoch))
	}
	j.epoch, j.taken = epoch, time.Now()
}

// holder returns the process that runs the singleton, and the epoch; nil for none. A process that
// was frozen may have lost it without knowing.
func (j *fleetJournal) holder() (*process, uint64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, p := range j.processes {
		if _, found := p.running[fmt.Sprint("only ", j.epoch)]; found {
			return p, j.epoch
		}
	}
	return nil, j.epoch
}

// start starts a node, with a connection to the broker through at.
func (j *fleetJournal) start(t *testing.T, name, at string) *process {
	t.Helper()
	p := &process{name: name, cmd: exec.Command(os.Args[0]), running: map[string]bool{}}
	p.cmd.Env = append(os.Environ(), nodeEnv+"="+j.listener.Addr().String()+";"+at+";"+name)
	p.cmd.Stderr = os.Stderr
	require.NoError(t, p.cmd.Start())
	conn, err := j.listener.Accept()
	require.NoError(t, err)
	j.mu.Lock()
	j.processes = append(j.processes, p)
	j.mu.Unlock()
	j.work.Go(func() { j.serve(p, conn) })
	return p
}

func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
}

// freeze makes a process stand still for d.
func (j *fleetJournal) freeze(t *testing.T, p *process, d time.Duration) {
	t.Helper()
	require.NoError(t, p.cmd.Process.Signal(syscall.SIGSTOP))
	var status syscall.WaitStatus
	_, err := syscall.Wait4(p.cmd.Process.Pid, &status, syscall.WUNTRACED, nil)
	require.NoError(t, err)
	require.True(t, status.Stopped())
	j.mu.Lock()
	j.tick()
	p.stopped = time.Now().UnixNano()
	for what := range p.running {
		p.running[what] = false
	}
	j.mu.Unlock()
	time.Sleep(d)
	require.NoError(t, p.cmd.Process.Signal(syscall.SIGCONT))
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
	j.goesOn(t)
	j.calm(t, 3*time.Second)

	seed := uint64(time.Now().UnixNano()) //nolint:gosec // no secret
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 1)) //nolint:gosec // likewise
	var takeovers []time.Duration
	for range troubles() {
		i := r.IntN(n)
		switch r.IntN(5) {
		case 0, 1:
			holder, epoch := j.holder()
			if holder != nil {
				i = slices.Index(nodes, holder)
			}
			began := time.Now()
			nodes[i].kill()
			if holder != nil {
				takeovers = append(takeovers, j.takeover(t, epoch, began))
			}
			nodes[i] = j.start(t, nodes[i].name, proxies[i].URL())
		case 2:
			j.freeze(t, nodes[i], time.Duration(r.IntN(4000))*time.Millisecond)
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
	j.goesOn(t)
	for _, p := range nodes {
		p.kill()
	}
	j.work.Wait()
	require.NoError(t, j.listener.Close())
	t.Logf("%d jobs, at most %d at a time; singleton taken over after %v", j.jobs, j.most, takeovers)
	require.Empty(t, j.faults)
	require.LessOrEqual(t, j.most, unitsOfProcesses)
	// A run that a freeze hits on its way from the gate to the event counts late.
	worst := j.rated.worst(rateOfProcesses.PerSecond)
	t.Logf("%d runs at %v; %.2f at once; %d of keys", j.rated.count(), rateOfProcesses, worst, j.keyed)
	require.Positive(t, j.rated.count())
	require.Positive(t, j.keyed)
	require.LessOrEqual(t, worst, float64(rateOfProcesses.Burst)+1)
}

// troubles is how many things happen to the processes.
func troubles() int {
	if os.Getenv("GENTASK_CHAOS") == "full" {
		return 100
	}
	return 8
}

// goesOn waits until the singleton runs, and more jobs have ended.
func (j *fleetJournal) goesOn(t *testing.T) {
	t.Helper()
	before := j.ended()
	require.Eventually(t, func() bool {
		holder, _ := j.holder()
		return holder != nil && j.ended() > before+100
	}, 30*time.Second, 10*time.Millisecond, "jobs and the singleton run")
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
	busy, rated := j.busy, j.rated.count()
	j.mu.Unlock()
	time.Sleep(d)
	j.mu.Lock()
	defer j.mu.Unlock()
	j.tick()
	t.Logf("%.3f of the limit are in use, %.3f of the rate", float64(j.busy-busy)/float64(d)/unitsOfProcesses,
		float64(j.rated.count()-rated)/d.Seconds()/rateOfProcesses.PerSecond)
}

// takeover returns how long after the kill of its holder the singleton ran again.
func (j *fleetJournal) takeover(t *testing.T, epoch uint64, killed time.Time) time.Duration {
	t.Helper()
	require.Eventually(t, func() bool {
		_, now := j.holder()
		return now > epoch
	}, 30*time.Second, time.Millisecond)
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.taken.Sub(killed)
}
