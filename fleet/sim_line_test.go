package fleet_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/gentask/gentask/queue"
)

// simFault is what can be wrong with a process or its connection. The set is closed.
type simFault uint8

const (
	simCut    simFault = iota // the broker can't be reached
	simFrozen                 // the process stands still, and time goes on
	simSlow                   // answers take long
	simFlaky                  // requests and answers are lost, late, or come twice
	simDead                   // the process was killed
	simFaults
)

func (f simFault) String() string { return [...]string{"cut", "frozen", "slow", "flaky", "dead"}[f] }

// simLine is the connection of a process to the broker, with its faults. The mutex of the
// simulation guards it.
type simLine struct {
	sim     *fleetSim
	number  int
	faults  [simFaults]int // how many of each are in force
	changed chan struct{}  // closed when that changes
	calm    time.Time      // the end of the last fault
	touched time.Time      // the last change; zero before
	over    bool           // the simulation has ended: nothing is held up any more
	aliases map[string]string
}

func newSimLine(s *fleetSim, number int) *simLine {
	return &simLine{sim: s, number: number, changed: make(chan struct{}), aliases: s.aliases, calm: time.Now()}
}

// add begins or ends a fault. The mutex is held.
func (l *simLine) add(f simFault, n int) {
	l.faults[f] += n
	l.touched = time.Now()
	l.sim.troubled = l.touched
	if n < 0 {
		l.calm = time.Now()
	}
	l.wake()
}

// wake makes those that wait look again. The mutex is held.
func (l *simLine) wake() {
	close(l.changed)
	l.changed = make(chan struct{})
}

// sound reports whether nothing is wrong. The mutex is held.
func (l *simLine) sound() bool { return l.faults == [simFaults]int{} }

// stands reports whether the process does nothing. The mutex is held.
func (l *simLine) stands() bool { return l.faults[simFrozen]+l.faults[simDead] > 0 }

// has reports whether a fault is in force, and returns a channel that is closed when that changes.
func (l *simLine) has(faults ...simFault) (bool, <-chan struct{}) {
	l.sim.mu.Lock()
	defer l.sim.mu.Unlock()
	for _, f := range faults {
		if l.faults[f] > 0 && !l.over {
			return true, l.changed
		}
	}
	return false, l.changed
}

// simCall is one call of a process to its broker.
type simCall struct {
	*simLine
	dice *rand.Rand
	name string
}

// simLabel is the key of a name in a context, for goroutines that make the same calls.
type simLabel struct{}

// call begins a call.
func (l *simLine) call(ctx context.Context, what, key string) simCall {
	label, _ := ctx.Value(simLabel{}).(string)
	name := fmt.Sprintf("%d %s %s %s", l.number, what, l.alias(key), label)
	return simCall{l, l.sim.of(name), name}
}

// alias returns a name for a key that is the same in every run.
func (l *simLine) alias(key string) string {
	if !strings.HasPrefix(key, "lease.") {
		return key
	}
	l.sim.mu.Lock()
	defer l.sim.mu.Unlock()
	if l.aliases[key] == "" {
		l.sim.leases[l.number]++
		l.aliases[key] = fmt.Sprintf("lease.%d.%d", l.number, l.sim.leases[l.number])
	}
	return l.aliases[key]
}

// travel takes the time of a message on its way.
func (c simCall) travel(ctx context.Context) error {
	most := 2 * time.Millisecond
	if c.dice.IntN(10) == 0 {
		most = 15 * time.Millisecond
	}
	if slow, _ := c.has(simSlow); slow {
		most = 300 * time.Millisecond
	}
	if err := sleep(ctx, 20*time.Microsecond+upTo(c.dice, most)); err != nil {
		return err
	}
	return c.await(ctx)
}

// await waits until the process goes on.
func (c simCall) await(ctx context.Context) error {
	for {
		stands, changed := c.has(simFrozen, simDead)
		if !stands {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
		if err := sleep(ctx, upTo(c.dice, 2*time.Millisecond)); err != nil { // one after the other
			return err
		}
	}
}

// reach returns when a request is at the broker. It returns queue.ErrUnavailable if that can't be
// reached, after some time.
func (c simCall) reach(ctx context.Context) error {
	if err := c.travel(ctx); err != nil {
		return err
	}
	cut, changed := c.has(simCut)
	if !cut {
		return nil
	}
	most := 5 * time.Millisecond
	if c.dice.IntN(3) == 0 {
		most = 4 * time.Second
	}
	timer := time.NewTimer(upTo(c.dice, most))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
		return ctx.Err()
	case <-changed:
		_ = sleep(ctx, upTo(c.dice, 2*time.Millisecond))
	}
	return queue.ErrUnavailable
}

// answer returns when the answer to a write is back. It returns queue.ErrUncertain if it is lost.
func (c simCall) answer(ctx context.Context) error {
	if c.travel(ctx) != nil {
		return queue.ErrUncertain
	}
	if cut, _ := c.has(simCut); cut || c.luck(15) {
		return queue.ErrUncertain
	}
	return nil
}

// luck draws true once in n times, on a line that is flaky.
func (c simCall) luck(n int) bool {
	drawn := c.dice.IntN(n) == 0
	flaky, _ := c.has(simFlaky)
	return drawn && flaky
}
