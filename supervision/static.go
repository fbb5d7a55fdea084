package supervision

import (
	"fmt"

	"github.com/gentask/gentask/actor"
)

// Strategy says who is restarted together with a child that failed.
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

// AutoShutdown says when a supervisor stops because its significant children have ended by themselves: transient ones with a normal end or
// actor.ErrShutdown, temporary ones in any way. Terminating a child by hand, or for a sibling's failure, doesn't count.
type AutoShutdown uint8

const (
	// Never stops for a child's end. No child can be significant then.
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

// Spec configures a supervisor with a list of children. The zero value is one_for_one and tolerates no restart: see
// Intensity.
type Spec struct {
	// Strategy is OneForOne, OneForAll or RestForOne. Default: OneForOne.
	Strategy Strategy

	// Intensity limits the restarts. Over it the supervisor stops its children and ends with an *IntensityError, which is a crash to the
	// supervisor above. Zero means that the first restart is one too many.
	Intensity Intensity

	// AutoShutdown is Never, AnySignificant or AllSignificant. Default: Never.
	AutoShutdown AutoShutdown

	// Children are started in this order, each when the one before is ready, and stopped in the reverse order, one at a time. More can be
	// added by requests; they come last.
	Children []ChildSpec

	// Backoff spaces the restarts of a child that fails again and again. The zero value restarts at once.
	Backoff Backoff

	// OnEvent, if not nil, is called for each event, in the supervisor's goroutine. It must not block; a panic in it is swallowed.
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

// Static returns Props for a supervisor with a list of children. It is ready, for a supervisor above it, when all of them are; if one fails to
// start, those before it are stopped and the supervisor ends with a *StartError.
//
// It returns an error that wraps ErrConfig for a bad spec.
func Static(spec Spec) (*actor.Props, error) {
	spec.Children = append([]ChildSpec(nil), spec.Children...)
	if err := spec.validate(); err != nil {
		return nil, err
	}
	return actor.FromProducer(func() actor.Actor { return newStatic(spec) }), nil
}

// static is a supervisor with a list of children. It does one operation at a time - stop these, then start those - and what comes in between
// waits in its queue, as it would in the mailbox of an OTP supervisor, which blocks.
type static struct {
	base
	spec     Spec
	children []*child // in the order of their start
	window   window
	op       *operation // nil when there is nothing to do
	queue    []any      // requests and ends of children, for after the operation
}

func newStatic(spec Spec) *static {
	s := &static{spec: spec}
	s.spec.Intensity = spec.Intensity.withDefaults()
	s.base = base{owner: s, onEvent: spec.OnEvent, backoff: spec.Backoff.withDefaults(), byPID: make(map[string]*child)}
	for _, c := range spec.Children {
		s.children = append(s.children, &child{spec: c})
	}
	s.spec.Children = nil
	return s
}

// Receive implements actor.Actor.
func (s *static) Receive(ctx actor.Context) {
	s.ctx = ctx
	switch m := ctx.Message().(type) {
	case *actor.Started:
		actor.TrapStop(ctx)
		actor.DelayReady(ctx)
		s.startAll()
	case *actor.StopRequest:
		s.shutdown(actor.ErrShutdown)
	case *actor.Ready:
		s.ready(m)
	case *actor.Stopped:
		s.cleanUp()
	default:
		if !s.own(m) {
			s.inTurn(m)
		}
	}
	s.drain()
}

// inTurn handles a message now, or after the operation, unless the operation waits for it.
func (s *static) inTurn(msg any) {
	switch {
	case s.stopping && s.refuse(msg, ErrStopping):
	case s.op == nil || s.expected(msg):
		s.handle(msg)
	default:
		s.queue = append(s.queue, msg)
	}
}

// expected says whether the operation goes on, or can't, because of msg.
func (s *static) expected(msg any) bool {
	switch m := msg.(type) {
	case *actor.Exited:
		c := s.childOf(m.PID)
		return c == nil || c.doomed || c == s.op.current
	case *spawnFailed:
		return true
	}
	return false
}

func (s *static) handle(msg any) {
	switch m := msg.(type) {
	case *actor.Exited:
		if c := s.take(m); c != nil {
			s.gone(c, m.Reason)
		}
	case *spawnFailed:
		if m.c.state == Starting { // else the supervisor has begun to stop
			s.gone(m.c, m.err)
		}
	case *normalEnd:
		if m.c.state == Running && m.c.pid == nil { // else a sibling has caused its restart
			s.settle(m.c, nil)
		}
	case *recovery:
		s.recovered(m)
	default:
		s.request(m)
	}
}

// drain handles what has waited for the end of an operation.
func (s *static) drain() {
	for s.op == nil && len(s.queue) > 0 {
		msg := s.queue[0]
		s.queue = s.queue[1:]
		s.handle(msg)
	}
}

func (s *static) find(id string) *child {
	for _, c := range s.children {
		if c.spec.ID == id {
			return c
		}
	}
	return nil
}

func (s *static) remove(c *child) {
	for i, other := range s.children {
		if other == c {
			s.children = append(s.children[:i:i], s.children[i+1:]...)
			return
		}
	}
}
