package gentask

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/actor"
)

// simSteps is more than any seed needs.
const simSteps = 1_000_000

// TestSimulation runs a consumer through a life drawn from a seed, once for each seed: jobs that do
// anything, a broker with faults, and events from outside. Every message of every actor is
// processed at a moment drawn from the seed. When the trouble is over everything is settled, all
// ends, and what must never be was never seen (I1 to I6). GENTASK_SIM_SEED=n tries one seed and
// shows what happened, GENTASK_SIM_SEEDS=n tries n of them, from GENTASK_SIM_FROM=n on.
func TestSimulation(t *testing.T) { newSimLab(t).try(t, simSeeds) }

// try tries the seeds that the environment names, or some.
func (lab *simLab) try(t *testing.T, seeds uint64) {
	t.Helper()
	if seed, ok := simEnv(t, "GENTASK_SIM_SEED"); ok {
		s := lab.run(t, seed)
		t.Log("\n" + s.text())
		s.verdict(t, seed)
		return
	}
	if n, ok := simEnv(t, "GENTASK_SIM_SEEDS"); ok {
		seeds = n
	}
	from, _ := simEnv(t, "GENTASK_SIM_FROM")
	steps := 0
	for seed := from; seed < from+seeds; seed++ {
		s := lab.run(t, seed)
		s.verdict(t, seed)
		steps += s.steps
	}
	t.Logf("%d seeds, %d steps", seeds, steps)
}

// TestSimulationRepeats: a seed is all that a simulation depends on.
func TestSimulationRepeats(t *testing.T) { newSimLab(t).repeats(t) }

func (lab *simLab) repeats(t *testing.T) {
	t.Helper()
	const seeds = 50
	hashes := map[uint64]bool{}
	for seed := range uint64(seeds) {
		first, second := lab.run(t, seed), lab.run(t, seed)
		first.verdict(t, seed)
		if first.hash() != second.hash() {
			require.Equal(t, first.text(), second.text(), "seed %d", seed)
		}
		hashes[first.hash()] = true
	}
	require.Len(t, hashes, seeds, "seeds that differ")
}

// verdict fails the test if the simulation saw what must never be.
func (s *sim) verdict(t *testing.T, seed uint64) {
	t.Helper()
	if len(s.wrong) > 0 {
		t.Fatalf("seed %d; to repeat it: GENTASK_SIM_SEED=%d go test -run '%s$' .\n%s\n%s",
			seed, seed, t.Name(), s.text(), strings.Join(s.wrong, "\n"))
	}
}

func simEnv(t *testing.T, name string) (uint64, bool) {
	t.Helper()
	text, ok := os.LookupEnv(name)
	if !ok {
		return 0, false
	}
	n, err := strconv.ParseUint(text, 10, 64)
	require.NoError(t, err, "%s=%s; want a number", name, text)
	return n, true
}

// simLab is what the simulations of a test share: the actor system, which is costly to make. It is
// its dispatcher, too.
type simLab struct {
	sys    *actor.System
	actors int
	all    bool // with all policies
	now    atomic.Pointer[conductor]
}

func newSimLab(t *testing.T) *simLab {
	t.Helper()
	// A task supervisor has as many partitions as there are processors, and a seed must mean the
	// same everywhere.
	const procs = 2
	before := runtime.GOMAXPROCS(procs)
	t.Cleanup(func() { runtime.GOMAXPROCS(before) })
	lab := &simLab{}
	lab.sys = actor.NewSystem(actor.SystemConfig{Dispatcher: lab})
	lab.actors = lab.count()
	return lab
}

// Schedule implements actor.Dispatcher.
func (lab *simLab) Schedule(run func()) { lab.now.Load().Schedule(run) }

// Throughput implements actor.Dispatcher.
func (lab *simLab) Throughput() int { return 1 }

// firstName is where each simulation begins to count the names of its actors: so far that all are
// of one length, and sort by age.
const firstName = 1 << 30

// count counts what is registered.
func (lab *simLab) count() int {
	n := 0
	for i := range lab.sys.ProcessRegistry.LocalPIDs.LocalPIDs {
		n += lab.sys.ProcessRegistry.LocalPIDs.LocalPIDs[i].Count()
	}
	return n
}

// run is one simulation.
func (lab *simLab) run(t *testing.T, seed uint64) (s *sim) {
	t.Helper()
	defer func() {
		if r := recover(); r != nil { // of synctest: a goroutine is left
			s.wrong = append(s.wrong, fmt.Sprint("I3: ", r))
		}
	}()
	synctest.Test(t, func(*testing.T) {
		s = newSim(lab.sys, seed, lab.all)
		lab.now.Store(s.conductor)
		atomic.StoreUint64(&lab.sys.ProcessRegistry.SequenceID, firstName)
		s.play()
	})
	if n := lab.count() - lab.actors; n != 0 {
		s.wrong = append(s.wrong, fmt.Sprintf("I3: %d actors are left", n))
	}
	return s
}
