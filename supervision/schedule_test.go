package supervision_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/internal/process"
	"github.com/gentask/gentask/supervision"
)

const (
	schedules = 2000
	events    = 30              // of each schedule
	span      = 6 * time.Second // in which they happen
)

// Random schedules of overlapping events, with starts that are slow or fail and ends that take
// time, against a model. A child that keeps its time is neither killed nor abandoned, and all
// requests are answered. No two incarnations of a child live at once, and in the end each child is
// where it belongs. GENTASK_SCHEDULE=seed runs one schedule.
func TestScenario43_RandomSchedules(t *testing.T) {
	first, last := uint64(1), uint64(schedules)
	if one, err := strconv.ParseUint(os.Getenv("GENTASK_SCHEDULE"), 10, 64); err == nil {
		first, last = one, one
	}
	bubble(t, func(r *rig) {
		for seed := first; seed <= last; seed++ {
			s := newSchedule(r, seed)
			s.run()
			if len(s.faults) > 0 {
				t.Fatalf("seed %d:\n%s\nevents:\n%s", seed, strings.Join(s.faults, "\n"), s.story())
			}
		}
	})
}

// schedule is one supervisor, and what happens to it.
type schedule struct {
	*rig
	*rand.Rand
	began   time.Time
	dynamic bool
	backoff supervision.Backoff
	sup     *actor.PID
	kids    map[string]*kid
	order   []*kid
	open    int // requests without an answer
	faults  []string
}

// kid is the model of a child. The fields that its incarnations write are guarded by the rig's
// mutex.
type kid struct {
	supervision.ChildSpec
	startTime, stopTime time.Duration
	failures            int  // so many starts fail, after the first
	cursed              bool // all starts fail, after the first
	starts              int
	alive               int
	declines            int  // the number of the start that it declines, from 2; 0: none
	mayRest             bool // it was terminated, has declined, or its restart by hand has failed
	accepted            int  // starts of the dynamic supervisor
}

func newSchedule(r *rig, seed uint64) *schedule {
	s := &schedule{rig: r, Rand: rand.New(rand.NewPCG(seed, 43)), began: time.Now(), kids: make(map[string]*kid)}
	r.events, r.ended = nil, nil
	if s.IntN(2) == 0 {
		s.backoff = supervision.Backoff{Base: 50 * time.Millisecond, Max: time.Second}
	}
	spec := supervision.Spec{Strategy: supervision.Strategy(seed % 4), Intensity: unlimited, Backoff: s.backoff}
	for i := range 2 + s.IntN(5) {
		spec.Children = append(spec.Children, s.newKid(fmt.Sprint("c", i)).ChildSpec)
	}
	if spec.Strategy <= supervision.RestForOne {
		s.sup = s.spawnStatic(spec)
		return s
	}
	s.dynamic = true
	s.sup = r.dynamic(supervision.DynamicSpec{Intensity: unlimited, Backoff: s.backoff})
	for _, c := range spec.Children {
		s.start(s.kids[c.ID])
	}
	return s
}

// spawnStatic doesn't wait, so that things happen during the first start too.
func (s *schedule) spawnStatic(spec supervision.Spec) *actor.PID {
	spec.OnEvent = s.onEvent
	props, err := supervision.Static(spec)
	require.NoError(s, err)
	return actor.SpawnRoot(s.sys, props, "static")
}

func (s *schedule) newKid(id string) *kid {
	k := &kid{ChildSpec: supervision.ChildSpec{ID: id, Notify: s.notify, Restart: supervision.Restart(s.IntN(3))}}
	k.startTime = s.oneOf(0, time.Millisecond, 300*time.Millisecond, 2*time.Second)
	k.stopTime = s.oneOf(0, 0, 100*time.Millisecond, 2*time.Second)
	k.Shutdown = s.oneOf(0, 0, supervision.Infinity, supervision.Brutal)
	if k.Shutdown == supervision.Brutal {
		k.startTime = min(k.startTime, time.Millisecond) // it keeps its time, even when it is killed while it starts
	}
	switch s.IntN(6) {
	case 0:
		k.failures = 1 + s.IntN(5)
	case 1:
		k.cursed = s.IntN(3) == 0
	case 2:
		k.declines = 2 + s.IntN(3)
	}
	k.Props = s.props(k)
	s.kids[id] = k
	s.order = append(s.order, k)
	return k
}

func (s *schedule) oneOf(d ...time.Duration) time.Duration { return d[s.IntN(len(d))] }

// props makes incarnations that write down what they do.
func (s *schedule) props(k *kid) func() *actor.Props {
	return func() *actor.Props {
		trap := k.stopTime > 0
		return actor.FromFunc(func(c actor.Context) {
			switch m := c.Message().(type) {
			case *actor.Started:
				s.started(c, k, trap)
			case *actor.StopRequest:
				process.SendAfter(c, k.stopTime, exit{actor.ErrShutdown})
			case exit:
				actor.Exit(c, m.reason)
			case error:
				panic(m)
			case *actor.Stopped:
				s.mu.Lock()
				defer s.mu.Unlock()
				k.alive--
			}
		})
	}
}

func (s *schedule) started(c actor.Context, k *kid, trap bool) {
	s.mu.Lock()
	k.alive++
	k.starts++
	if k.alive > 1 {
		s.faults = append(s.faults, fmt.Sprintf("%d incarnations of %s at once", k.alive, k.ID))
	}
	declines := k.starts == k.declines
	k.mayRest = k.mayRest || declines
	fails := k.starts > 1 && (k.cursed || k.starts <= 1+k.failures)
	s.mu.Unlock()
	if trap {
		actor.TrapStop(c)
	}
	time.Sleep(k.startTime)
	switch {
	case declines:
		actor.Exit(c, supervision.ErrIgnore)
	case fails:
		time.Sleep(supervision.KillTime / 2) // the clock of a bubble stands while something goes on
		actor.Exit(c, errBoom)
	}
}

// run lets things happen, and compares the result with the model.
func (s *schedule) run() {
	for range events {
		time.Sleep(time.Duration(s.Int64N(int64(2 * span / events))))
		s.happen()
	}
	s.awaitAnswers() // some starts still fail
	s.liftCurses()
	time.Sleep(5 * time.Minute) // much longer than all that can be under way
	synctest.Wait()
	if len(s.faults) == 0 {
		s.checkChildren()
		s.checkEnd()
	}
}

func (s *schedule) happen() {
	k := s.order[s.IntN(len(s.order))]
	switch s.IntN(13) {
	case 0, 1, 2, 3, 4:
		s.send(k, errBoom)
	case 12:
		actor.Kill(s.sys, s.eventPID(k.ID))
	case 5:
		s.send(k, exit{nil})
	case 6:
		s.send(k, exit{actor.ErrShutdown})
	case 7, 8:
		s.terminate(k)
	case 9:
		s.restart(k)
	case 10:
		s.start(s.newKid(fmt.Sprint("n", len(s.order))))
	default:
		s.count()
	}
}

// send reaches the incarnation of the last start.
func (s *schedule) send(k *kid, msg any) {
	if pid := s.eventPID(k.ID); pid != nil {
		process.Notify(s.sys, pid, msg)
	}
}

// answer counts a request, and returns what its Reply must do first.
func (s *schedule) answer() (done func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open++
	return func() { s.open-- }
}

func (s *schedule) terminate(k *kid) {
	done := s.answer()
	actor.Send(s.sys, s.sup, &supervision.TerminateRequest{ID: k.ID, Reply: func(err error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		done()
		k.mayRest = k.mayRest || err == nil
	}})
}

func (s *schedule) restart(k *kid) {
	done := s.answer()
	actor.Send(s.sys, s.sup, &supervision.RestartRequest{ID: k.ID, Reply: func(_ *actor.PID, err error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		done()
		k.mayRest = err != nil && (k.mayRest || errors.Is(err, errBoom))
	}})
}

func (s *schedule) start(k *kid) {
	done := s.answer()
	actor.Send(s.sys, s.sup, &supervision.StartRequest{Spec: k.ChildSpec, Reply: func(_ *actor.PID, err error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		done()
		k.accepted++
		if err != nil && !s.dynamic {
			s.faults = append(s.faults, fmt.Sprintf("start of %s: %v", k.ID, err))
		}
	}})
}

func (s *schedule) count() {
	done := s.answer()
	actor.Send(s.sys, s.sup, &supervision.CountRequest{Reply: func(supervision.Counts, error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		done()
	}})
}

// awaitAnswers waits until all requests have been answered. Each may have to wait for one try of a
// start, and for the ends and requests before it.
func (s *schedule) awaitAnswers() {
	waiting := func() int {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.open
	}
	for range 100 {
		if waiting() == 0 {
			return
		}
		time.Sleep(3 * time.Second)
	}
	s.faults = append(s.faults, fmt.Sprintf("%d requests without an answer", waiting()))
}

// liftCurses makes starts succeed that have failed all the time.
func (s *schedule) liftCurses() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, k := range s.order {
		k.cursed, k.failures = false, 0
	}
}

// checkChildren compares each child with what its restart type and the requests made of it.
func (s *schedule) checkChildren() {
	known := s.children(s.sup)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, k := range s.order {
		c, ok := known[k.ID]
		if fault := k.fault(c, ok, s.dynamic); fault != "" {
			s.faults = append(s.faults, fmt.Sprintf("%s (%v): %s: %+v", k.ID, k.Restart, fault, c))
		}
	}
}

func (k *kid) fault(c supervision.ChildInfo, known, dynamic bool) string {
	runs := known && c.State == supervision.Running && c.PID != nil
	switch {
	case runs != (k.alive == 1):
		return fmt.Sprintf("%d incarnations live", k.alive)
	case runs:
		return ""
	case known && c.State != supervision.Idle:
		return "is in between for ever"
	case known && (dynamic || k.Restart == supervision.Temporary):
		return "should have been forgotten"
	case !known && !dynamic && k.Restart != supervision.Temporary:
		return "was forgotten"
	case k.Restart == supervision.Permanent && !k.mayRest:
		return "should run"
	}
	return ""
}

// checkEnd stops the supervisor, and looks back.
func (s *schedule) checkEnd() {
	before := time.Now()
	var most time.Duration
	for _, k := range s.order {
		most += k.stopTime
	}
	report := s.stop(s.sup)
	if took := time.Since(before); took > most || len(report.Abandoned) > 0 {
		s.faults = append(s.faults,
			fmt.Sprintf("the stop took %v, longer than %v, or abandoned: %v", took, most, report.Abandoned))
	}
	ended := s.takeEnded()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.rig.events {
		if e.Kind == supervision.ChildKilled || e.Kind == supervision.ChildAbandoned {
			s.faults = append(s.faults, fmt.Sprintf("%v %s, which keeps its time", e.Kind, e.ID))
		}
	}
	ends := make(map[string]int)
	for _, e := range ended {
		ends[e.ID]++
	}
	for _, k := range s.order {
		if k.alive != 0 || ends[k.ID] == 0 || s.dynamic && ends[k.ID] != k.accepted {
			s.faults = append(s.faults, fmt.Sprintf("%s: %d live, %d ends were told of", k.ID, k.alive, ends[k.ID]))
		}
	}
}

// story lists what the supervisor told.
func (s *schedule) story() string {
	var b strings.Builder
	for _, e := range s.rig.events {
		fmt.Fprintf(&b, "%v %s %v\n", e.Kind, e.ID, e.Reason)
	}
	return b.String()
}
