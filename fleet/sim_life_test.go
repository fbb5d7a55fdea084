package fleet_test

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/memory"
)

// simQueue is the queue of all consumers of a simulation.
const simQueue = "jobs"

// fleetSim is one simulation. The mutex guards what several goroutines use: processes, faults,
// records, runs, and what was seen.
type fleetSim struct {
	*simDice
	*rand.Rand // of the script, which one goroutine draws
	systems    []*actor.System
	bug        simBug
	begun      time.Time
	broker     *memory.Broker
	queue      *memory.Queue
	plan       simPlan
	tool       *simProcess // an observer, without faults

	work sync.WaitGroup // commands and questions
	late sync.WaitGroup // writes that are on their way

	stirring sync.Mutex
	fresh    chan struct{} // closed when there may be messages for somebody

	mu        sync.Mutex
	trace     []simNote
	wrong     []string
	processes []*simProcess
	quiet     bool // the trouble is over
	wiped     time.Time
	troubled  time.Time         // the last begin or end of a fault
	aliases   map[string]string // of the keys of leases
	leases    map[int]int       // how many leases a process has taken
	instances map[string]int    // which process it is
	records   map[string]simRecord
	tokens    map[string]simRecord // every command that was applied, by its reason
	commands  int
	active    map[*simRun]bool // jobs
	only      map[string]*simOnly
	published int
	cancelled map[string]bool // jobs that any command has cancelled
}

// simNote is a line of the trace.
type simNote struct {
	at   time.Duration
	text string
}

// simPlan is what a simulation has.
type simPlan struct {
	nodes, limit, concurrency, prefetch int
	names                               []string // of functions of Only
	wipes                               bool     // the store is made again, sometimes
}

func newFleetSim(systems []*actor.System, seed uint64, bug simBug) *fleetSim {
	s := &fleetSim{
		simDice: &simDice{seed: seed, drawn: map[string]uint64{}},
		Rand:    rand.New(rand.NewPCG(seed, 1)), //nolint:gosec // it has to repeat itself
		systems: systems, bug: bug, begun: time.Now(),
		broker:  memory.NewBroker(),
		queue:   memory.New(memory.Config{Name: simQueue, Seed: seed, Journal: true}),
		fresh:   make(chan struct{}),
		aliases: map[string]string{}, leases: map[int]int{}, instances: map[string]int{}, records: map[string]simRecord{},
		tokens: map[string]simRecord{}, active: map[*simRun]bool{}, only: map[string]*simOnly{}, cancelled: map[string]bool{},
	}
	s.plan = simPlan{nodes: 2 + s.IntN(4), concurrency: 1 + s.IntN(4), wipes: s.IntN(4) == 0}
	s.plan.prefetch = s.plan.concurrency + s.IntN(4)
	if s.IntN(4) > 0 {
		s.plan.limit = 1 + s.IntN(5)
		s.plan.names = []string{"a"} // two parts at most that take a lease: three would take turns in no order
	} else {
		s.plan.names = []string{"a", "b"}[:1+s.IntN(2)]
	}
	for _, name := range s.plan.names {
		s.only[name] = &simOnly{name: name, idle: time.Now(), runs: map[*simRun]bool{}}
	}
	return s
}

// play is a life: trouble for some seconds, then peace, until all jobs are done and all has ended.
func (s *fleetSim) play() {
	defer s.end()
	s.tool = s.newProcess("tool")
	s.tool.join(false)
	for i := range s.plan.nodes {
		s.join(fmt.Sprint("n", i))
		s.pass(upTo(s.Rand, 100*time.Millisecond))
	}
	s.publish(5 + s.IntN(15))
	for range 10 + s.IntN(20) {
		s.pass(upTo(s.Rand, []time.Duration{10 * time.Millisecond, 300 * time.Millisecond, 1500 * time.Millisecond}[s.IntN(3)]))
		s.act()
	}
	if s.failed() {
		return
	}
	s.peace()
}

// pass lets time pass, at the end of which all is checked.
func (s *fleetSim) pass(d time.Duration) {
	time.Sleep(d | 1)
	s.check()
}

// until lets time pass until done. It reports false after the limit, and when something is wrong.
func (s *fleetSim) until(limit time.Duration, done func() bool) bool {
	for end := time.Now().Add(limit); !done(); s.pass(101 * time.Millisecond) {
		if s.failed() || time.Now().After(end) {
			return false
		}
	}
	return true
}

// peace ends the trouble, and checks that all comes right.
func (s *fleetSim) peace() {
	s.note("peace")
	s.mu.Lock()
	s.quiet = true
	for _, p := range s.processes {
		for f := range simDead {
			if p.line.faults[f] > 0 {
				p.line.add(f, -p.line.faults[f])
			}
		}
		s.thawed(p)
	}
	s.mu.Unlock()
	s.pass(3500 * time.Millisecond) // what is late has come
	s.work.Wait()
	for i := 0; len(s.working()) < 2; i++ {
		s.join(fmt.Sprint("late", i))
		s.pass(3 * time.Second)
		if i == 3 {
			s.fail("no process can join")
			return
		}
	}
	s.pass(simLinger + simFollow)
	s.lift()
	if !s.until(3*time.Minute, s.empty) {
		s.fail("not all jobs are done: %+v", s.queue.Stats())
		return
	}
	s.pass(simTakeover + 100*time.Millisecond)
	s.settled()
}

// lift takes back every command, and asks for what has become of that.
func (s *fleetSim) lift() {
	for _, k := range []simKind{simPause, simBreaker, simRate, simConcurrency} {
		s.command(s.tool, simCommand{kind: k}, true)
	}
	s.work.Wait()
	s.query(s.tool)
	s.work.Wait()
	s.pass(simFollow)
}

func (s *fleetSim) empty() bool {
	st := s.queue.Stats()
	return st.Ready+st.Delayed+st.Held+st.Isolated == 0
}

// publish publishes n jobs.
func (s *fleetSim) publish(n int) {
	for range n {
		s.mu.Lock()
		s.published++
		id := fmt.Sprint("j", s.published)
		s.mu.Unlock()
		if err := s.queue.Publish(context.Background(), queue.Message{ID: id}); err != nil {
			s.fail("publish: %v", err)
		}
	}
	s.stir()
}

// end leaves nothing behind, at any point of the simulation.
func (s *fleetSim) end() {
	s.work.Wait()
	s.mu.Lock()
	processes := append([]*simProcess{}, s.processes...)
	s.quiet = true
	for _, p := range processes {
		p.line.over = true
		p.line.wake()
		p.conn.Restore()
	}
	s.mu.Unlock()
	for _, p := range processes {
		p.kill()
		p.tasks.Wait()
		p.leave()
	}
	s.late.Wait()
	s.queue.Close()
	time.Sleep(20 * time.Second) // leases end
	s.nothingLeft()
}

// note adds a line to the trace.
func (s *fleetSim) note(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.noteLocked(format, args...)
}

func (s *fleetSim) noteLocked(format string, args ...any) {
	s.trace = append(s.trace, simNote{time.Since(s.begun), fmt.Sprintf(format, args...)})
}

// fail records something that must never be.
func (s *fleetSim) fail(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failLocked(format, args...)
}

func (s *fleetSim) failLocked(format string, args ...any) {
	s.noteLocked("WRONG: "+format, args...)
	s.wrong = append(s.wrong, fmt.Sprintf("%v: ", time.Since(s.begun))+fmt.Sprintf(format, args...))
}

func (s *fleetSim) failed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.wrong) > 0
}

// lines is the whole trace, in order. What happens at the same instant has none.
func (s *fleetSim) lines() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	slices.SortStableFunc(s.trace, func(a, b simNote) int {
		return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.text, b.text))
	})
	lines := make([]string, len(s.trace))
	for i, n := range s.trace {
		lines[i] = fmt.Sprintf("%14v  %s", n.at, n.text)
	}
	return lines
}
