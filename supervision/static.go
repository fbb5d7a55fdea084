package supervision

import (
	"fmt"

	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/internal/process"
)

// Strategy decides which children are restarted together with a child that failed.
type Strategy uint8

const (
	// OneForOne restarts the child alone.
	OneForOne Strategy = iota
	// OneForAll stops all other children, and starts all of them again.
	OneForAll
	// RestForOne stops the children that were started after it, and starts it and them again.
	RestForOne
)

// String returns the constant's name.
func (s Strategy) String() string { return nameOf(s, "OneForOne", "OneForAll", "RestForOne") }

// AutoShutdown decides whether a supervisor stops when its significant children have ended by
// themselves. Transient children have if they ended normally or with [actor.ErrShutdown], temporary
// ones in any case. A child that was terminated by hand, or stopped for a sibling's failure,
// doesn't count.
type AutoShutdown uint8

const (
	// Never disables the automatic shutdown. No child can be significant then.
	Never AutoShutdown = iota
	// AnySignificant stops when one significant child has ended.
	AnySignificant
	// AllSignificant stops when the last significant child has ended.
	AllSignificant
)

// String returns the constant's name.
func (a AutoShutdown) String() string {
	return nameOf(a, "Never", "AnySignificant", "AllSignificant")
}

// Spec configures a supervisor with a list of children. The zero value is one_for_one and tolerates
// no restart: see [Intensity].
type Spec struct {
	// Strategy is [OneForOne], [OneForAll] or [RestForOne]. The zero value is OneForOne.
	Strategy Strategy

	// Intensity limits the restarts. Over it the supervisor stops its children and ends with an
	// [*IntensityError], which is a crash to the supervisor above. Zero means that the first
	// restart is one too many.
	Intensity Intensity

	// AutoShutdown is [Never], [AnySignificant] or [AllSignificant]. The zero value is Never.
	AutoShutdown AutoShutdown

	// Children are started in this order, each when the one before is ready, and stopped in the
	// reverse order, one at a time. [StartChild] appends more.
	Children []ChildSpec

	// Backoff spaces the restarts of a child that fails again and again. The zero value restarts at
	// once.
	Backoff Backoff

	// OnEvent, if not nil, is called for each event: see [Event]. A panic in it is recovered.
	OnEvent func(Event)
}

func (s *Spec) validate() error {
	switch {
	case s.Strategy > RestForOne:
		return badField("Spec.Strategy", s.Strategy, "OneForOne, OneForAll or RestForOne")
	case s.AutoShutdown > AllSignificant:
		return badField("Spec.AutoShutdown", s.AutoShutdown, "Never, AnySignificant or AllSignificant")
	}
	if err := s.Intensity.validate("Spec.Intensity"); err != nil {
		return err
	}
	seen := make(map[string]bool, len(s.Children))
	for i := range s.Children {
		field := fmt.Sprintf("Spec.Children[%d]", i)
		if err := s.validateChild(field, &s.Children[i]); err != nil {
			return err
		}
		id := s.Children[i].ID
		if seen[id] {
			return badField(field+".ID", fmt.Sprintf("%q", id), "unique, and another child has it")
		}
		seen[id] = true
	}
	return s.Backoff.validate("Spec.Backoff")
}

func (s *Spec) validateChild(field string, c *ChildSpec) error {
	switch {
	case c.ID == "":
		return badField(field+".ID", "empty", "a name")
	case c.Significant && s.AutoShutdown == Never:
		return badField(field+".Significant", true, "false, because AutoShutdown is Never")
	}
	return c.validate(field)
}

// Static returns Props for a supervisor with a list of children. It is ready, for a supervisor
// above it, when all of them are. If one fails to start, those before it are stopped and the
// supervisor ends with a [*StartError].
//
// Static returns an error that wraps [ErrConfig] for a bad spec.
func Static(spec Spec) (*actor.Props, error) {
	spec.Children = append([]ChildSpec(nil), spec.Children...)
	if err := spec.validate(); err != nil {
		return nil, err
	}
	h := newHooks(spec.OnEvent)
	return actor.FromProducer(func() actor.Actor { return newStatic(spec, h) }), nil
}

// static is a supervisor with a list of children. It does one operation at a time: stops, and then
// starts.
//
// Facts and decisions are separate. The end of a child is entered in the books as soon as it
// arrives. So no operation waits for an end that has already happened. Decisions about it, and
// requests, wait in the queue for the end of the operation, as in the mailbox of an OTP supervisor,
// which blocks.
type static struct {
	base
	spec     Spec
	children roster
	window   window
	op       *operation // nil when there is none
	queue    []any      // requests, *end and *recovery that wait for the operation
}

func newStatic(spec Spec, h *hooks) *static {
	s := &static{spec: spec}
	s.spec.Intensity = spec.Intensity.withDefaults()
	s.base = newBase(s, h, spec.Backoff)
	for _, c := range spec.Children {
		s.children.add(&child{spec: c})
	}
	s.spec.Children = nil
	return s
}

// Receive implements [actor.Actor].
func (s *static) Receive(ctx actor.Context) {
	s.ctx = ctx
	switch m := ctx.Message().(type) {
	case *actor.Exited:
		if c, reason := s.take(m); c != nil {
			s.gone(c, reason)
		}
	case *actor.Ready:
		s.ready(m)
	case *spawnFailed:
		s.spawnFailed(m)
	case anyRequest:
		s.inTurn(m)
	case *treeRequest:
		answer := s.snapshot(TypeStatic, s.list())
		answer.waiting = len(s.queue)
		m.reply(answer)
	case *actor.Started:
		actor.TrapStop(ctx)
		process.DelayReady(ctx)
		s.startAll()
	case *actor.StopRequest:
		s.shutdown(actor.ErrShutdown)
	case *actor.Stopped:
		s.cleanUp()
	default:
		s.own(m)
	}
	s.drain()
}

// inTurn serves a request now, or after the operation.
func (s *static) inTurn(m anyRequest) {
	switch {
	case s.stopping:
		m.refuse(&s.base, ErrStopping)
	case s.op == nil:
		s.request(m)
	default:
		s.queue = append(s.queue, m)
	}
}

// drain handles the queue after an operation.
func (s *static) drain() {
	for s.op == nil && len(s.queue) > 0 {
		next := s.queue[0]
		s.queue[0] = nil
		s.queue = s.queue[1:]
		switch m := next.(type) {
		case *end:
			if m.isOpen() {
				m.c.takeEnd()
				s.settle(m.c, m.reason)
			}
		case *recovery:
			s.recovered(m)
		case anyRequest:
			s.inTurn(m)
		}
	}
}

// end is the end of a child that ended by itself, until the supervisor decides about it. An
// operation that stops the child meanwhile decides instead.
type end struct {
	c      *child
	reason error
}

// later makes the end of c wait for the operation.
func (s *static) later(c *child, reason error) {
	e := &end{c: c, reason: reason}
	c.more().end = e
	s.queue = append(s.queue, e)
}

// isOpen reports whether the end was not decided about yet.
func (e *end) isOpen() bool { return e.c.rare.end == e }
