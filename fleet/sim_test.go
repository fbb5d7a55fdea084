package fleet_test

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/actor"
)

const (
	// simKnown is how many seeds have found each of the bugs that are planted.
	simKnown = 1000

	// simShards is how many simulations run at a time.
	simShards = 2

	// simSystems is how many processes a simulation may have, and simSpare how many of them join
	// when the trouble is over.
	simSystems = 13
	simSpare   = 4
)

// TestSimulation runs a fleet through a life drawn from a seed, once for each seed: processes that
// join, leave, are killed, freeze, and are cut off from a store and a bus that lose, delay and
// repeat; and meanwhile commands, a limit of the whole fleet, functions of Only, and questions.
// Each thing that the fleet sends or receives happens at an instant of its own, drawn from the
// seed. What docs/fleet.md promises was never broken, and when the trouble is over all jobs are
// done. There are simSeeds of them: most without the race detector, by `make sim-check`.
// GENTASK_SIM_SEED=n tries one seed and shows what happened, GENTASK_SIM_SEEDS=n tries n of
// them, from GENTASK_SIM_FROM=n on.
func TestSimulation(t *testing.T) {
	if seed, ok := simEnv(t, "GENTASK_SIM_SEED"); ok {
		lab := newSimLab(t)
		s := lab.run(t, seed, nil)
		t.Log("\n" + strings.Join(s.lines(), "\n"))
		s.verdict(t, seed)
		lab.empty(t)
		return
	}
	seeds := uint64(simSeeds)
	if n, ok := simEnv(t, "GENTASK_SIM_SEEDS"); ok {
		seeds = n
	}
	from, _ := simEnv(t, "GENTASK_SIM_FROM")
	simProcessors(t)
	for shard := range uint64(simShards) {
		t.Run(fmt.Sprint("shard", shard), func(t *testing.T) {
			t.Parallel()
			lab := newSimLab(t)
			for seed := from + shard; seed < from+seeds; seed += simShards {
				lab.run(t, seed, nil).verdict(t, seed)
			}
			lab.empty(t)
		})
	}
}

// TestSimulationRepeats: a seed is all that a simulation without a limit depends on. With one, a
// node's part of it may see a turn of a consumer half done, and asks a moment earlier or later.
func TestSimulationRepeats(t *testing.T) {
	simProcessors(t)
	lab := newSimLab(t)
	for seed := range uint64(simRepeats) {
		first := lab.run(t, seed, nil)
		first.verdict(t, seed)
		if first.plan.limit > 0 {
			continue
		}
		second := lab.run(t, seed, nil)
		if a, b := first.lines(), second.lines(); !slices.Equal(a, b) {
			t.Fatalf("seed %d differs:\n%s", seed, difference(a, b))
		}
	}
}

// difference returns the first lines in which two traces differ, and some before.
func difference(a, b []string) string {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return strings.Join(a[max(0, i-15):min(len(a), i+5)], "\n") + "\n---\n" + strings.Join(b[i:min(len(b), i+5)], "\n")
		}
	}
	return fmt.Sprint(len(a), " and ", len(b), " lines")
}

// verdict fails the test if the simulation saw what must never be.
func (s *fleetSim) verdict(t *testing.T, seed uint64) {
	t.Helper()
	if len(s.wrong) > 0 {
		t.Fatalf("seed %d; to repeat it: GENTASK_SIM_SEED=%d go test -run 'TestSimulation$' ./fleet\n%s",
			seed, seed, strings.Join(s.wrong, "\n"))
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

// simProcessors makes a seed mean the same on all machines: a consumer has a part for each
// processor.
func simProcessors(t *testing.T) {
	t.Helper()
	before := runtime.GOMAXPROCS(simShards)
	t.Cleanup(func() { runtime.GOMAXPROCS(before) })
}

// simLab is what simulations share: the actor systems, which are costly to make. It is their
// dispatcher, too.
type simLab struct {
	systems []*actor.System
	stage   atomic.Pointer[simStage]
	actors  int
}

func newSimLab(t *testing.T) *simLab {
	t.Helper()
	lab := &simLab{}
	for range simSystems {
		lab.systems = append(lab.systems, actor.NewSystem(actor.SystemConfig{Dispatcher: lab}))
	}
	lab.actors = lab.count()
	return lab
}

// Schedule implements actor.Dispatcher.
func (lab *simLab) Schedule(run func()) { lab.stage.Load().Schedule(run) }

// Throughput implements actor.Dispatcher.
func (*simLab) Throughput() int { return 1 }

// simFirstName is where each simulation begins to count the names of its actors: so far that all
// are of one length, and sort by age.
const simFirstName = 1 << 30

// count counts what is registered.
func (lab *simLab) count() (n int) {
	for _, sys := range lab.systems {
		for i := range sys.ProcessRegistry.LocalPIDs.LocalPIDs {
			n += sys.ProcessRegistry.LocalPIDs.LocalPIDs[i].Count()
		}
	}
	return n
}

// empty checks that no actors are left. To count them takes as long as many a simulation.
func (lab *simLab) empty(t *testing.T) {
	t.Helper()
	require.Zero(t, lab.count()-lab.actors, "actors are left")
}

// run is one simulation.
func (lab *simLab) run(t *testing.T, seed uint64, bug simBug) (s *fleetSim) {
	t.Helper()
	defer func() {
		if r := recover(); r != nil { // of synctest: a goroutine is left
			s.wrong = append(s.wrong, fmt.Sprint("at the end: ", r))
		}
	}()
	synctest.Test(t, func(*testing.T) {
		stage := newSimStage()
		lab.stage.Store(stage)
		for _, sys := range lab.systems {
			atomic.StoreUint64(&sys.ProcessRegistry.SequenceID, simFirstName)
		}
		s = newFleetSim(lab.systems, seed, bug)
		s.play()
		stage.close()
	})
	return s
}
