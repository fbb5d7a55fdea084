package supervision

import (
	"time"

	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/internal/supervise"
)

// DynamicSpec configures a supervisor whose children come and go. The zero value tolerates no
// restart: see [Intensity].
type DynamicSpec struct {
	// Intensity limits the restarts of all children together. Over it the supervisor stops all of
	// them and ends with an [*IntensityError]. Zero means that the first restart is one too many.
	Intensity Intensity

	// ChildIntensity, if not nil, is counted for each child on its own instead. A child over it is
	// given up: its Notify gets an [Ended] with an [*IntensityError], and supervisor and siblings
	// go on. Intensity must be zero then.
	ChildIntensity *Intensity

	// MaxChildren limits the children, those that stop or wait for their restart included. Further
	// ones are refused with [ErrMaxChildren]. Zero means no limit.
	MaxChildren int

	// Backoff spaces the restarts of each child. The zero value restarts at once.
	Backoff Backoff

	// OnEvent, if not nil, is called for each event: see [Event]. A panic in it is recovered.
	OnEvent func(Event)
}

func (s DynamicSpec) validate() error {
	if err := s.Intensity.validate("DynamicSpec.Intensity"); err != nil {
		return err
	}
	if s.ChildIntensity != nil {
		if err := s.ChildIntensity.validate("DynamicSpec.ChildIntensity"); err != nil {
			return err
		}
		if s.Intensity != (Intensity{}) {
			return badField("DynamicSpec.Intensity", s.Intensity, "zero when ChildIntensity is given")
		}
	}
	if s.MaxChildren < 0 {
		return badField("DynamicSpec.MaxChildren", s.MaxChildren, "0 (no limit) or positive")
	}
	return s.Backoff.validate("DynamicSpec.Backoff")
}

// Dynamic returns Props for a supervisor that begins without children: see [StartChild]. When the
// supervisor stops, its children stop all at once and in no order, each within its own
// [ChildSpec.Shutdown]. The cost of a start, an end or a failure does not depend on the number of
// children.
//
// Dynamic returns an error that wraps [ErrConfig] for a bad spec.
func Dynamic(spec DynamicSpec) (*actor.Props, error) {
	if err := spec.validate(); err != nil {
		return nil, err
	}
	if spec.ChildIntensity != nil {
		own := *spec.ChildIntensity
		spec.ChildIntensity = &own
	}
	h := newHooks(spec.OnEvent)
	return actor.FromProducer(func() actor.Actor { return newDynamic(spec, h) }), nil
}

// dynamic is a supervisor whose children come and go.
type dynamic struct {
	base
	limit    Intensity
	perChild bool
	max      int
	window   window
	live     int               // all children
	nested   int               // those that are supervisors themselves
	byID     map[string]*child // those with an ID of their own, and all that have ever failed
	timers   []*time.Timer     // limit the stop of all
}

func newDynamic(spec DynamicSpec, h *hooks) *dynamic {
	d := &dynamic{limit: spec.Intensity, max: spec.MaxChildren, byID: make(map[string]*child)}
	if spec.ChildIntensity != nil {
		d.limit, d.perChild = *spec.ChildIntensity, true
	}
	d.limit = d.limit.withDefaults()
	d.base = newBase(d, h, spec.Backoff)
	return d
}

// Receive implements [actor.Actor].
func (d *dynamic) Receive(ctx actor.Context) {
	d.ctx = ctx
	switch m := ctx.Message().(type) {
	case *startRequest:
		d.start(m)
	case *supervise.Start[ChildSpec]:
		d.start(&startRequest{Spec: m.Spec, tag: m.Tag})
	case *supervise.Terminate:
		d.request(&terminateRequest{ID: m.ID})
	case *actor.Exited:
		d.exited(m)
	case *actor.Ready:
		d.ready(m)
	case *spawnFailed:
		d.spawnFailed(m)
	case *actor.Started:
		actor.TrapStop(ctx)
	case *actor.StopRequest:
		d.shutdown(actor.ErrShutdown)
	case *actor.Stopped:
		d.cleanUp()
	case *sweep:
		d.sweep(m)
	case *treeRequest:
		m.reply(d.snapshot(TypeDynamic, d.list()))
	case anyRequest:
		d.request(m)
	default:
		d.own(m)
	}
}

func (d *dynamic) start(m *startRequest) {
	if err := d.refusal(&m.Spec); err != nil {
		d.answerStart(m, nil, err)
		return
	}
	c := &child{spec: m.Spec, tag: m.tag}
	d.live++
	if m.Reply != nil {
		c.more().starting = m.Reply
	}
	d.launch(c)
	if id := m.Spec.ID; id != "" {
		d.byID[id] = c
	}
}

// refusal returns why a child can't be started, or nil.
func (d *dynamic) refusal(spec *ChildSpec) error {
	switch {
	case d.stopping:
		return ErrStopping
	case spec.Significant:
		return badField("ChildSpec.Significant", true, "false: a dynamic supervisor has no automatic shutdown")
	case d.max > 0 && d.live >= d.max:
		return ErrMaxChildren
	}
	if err := spec.validate("ChildSpec"); err != nil {
		return err
	}
	if spec.ID != "" && d.byID[spec.ID] != nil {
		return &AlreadyStartedError{ID: spec.ID, PID: d.byID[spec.ID].pid}
	}
	return nil
}

// launch spawns an incarnation. It asks for a message when that is ready only if a reply waits for
// it.
func (d *dynamic) launch(c *child) {
	waited := c.rare != nil && c.rare.starting != nil
	known := c.nested
	d.spawn(c, waited)
	if c.nested && !known {
		d.nested++
	}
	if c.spec.ID == "" {
		c.spec.ID = d.madeUpID(c)
	}
	if c.pid != nil && !waited {
		d.set(c, Running)
		d.tell(ChildStarted, c, c.pid, nil)
	}
}

func (d *dynamic) madeUpID(c *child) string {
	if c.pid == nil {
		return d.ctx.Self().Id + "/-" + d.ctx.ActorSystem().ProcessRegistry.NextId()
	}
	return c.pid.Id
}

func (d *dynamic) ready(m *actor.Ready) {
	c := d.childOf(m.PID)
	if c == nil || c.state != Starting {
		return
	}
	d.set(c, Running)
	d.tell(ChildStarted, c, c.pid, nil)
	answer(c.takeStarting(), c.pid, nil)
}

func (d *dynamic) exited(m *actor.Exited) {
	if c, reason := d.take(m); c != nil {
		d.ended(c, reason)
	}
}

func (d *dynamic) gone(c *child, reason error) { d.ended(c, reason) }

func (d *dynamic) spawnFailed(m *spawnFailed) {
	if m.c.state == Starting { // else it was terminated meanwhile
		d.ended(m.c, m.err)
	}
}

// ended decides about a child that has no incarnation.
func (d *dynamic) ended(c *child, reason error) {
	declined := declines(c, reason)
	if declined {
		d.tell(ChildDeclined, c, nil, reason)
	}
	discard := d.answerStarting(c, reason, declined)
	if discard || declined || d.stopping || c.state == Stopping || !c.spec.wantsRestart(reason) {
		d.remove(c, reason)
	} else {
		d.restart(c, reason)
	}
}

// answerStarting answers the request for the start of a child that has ended before it was ready,
// and reports whether the child must be discarded. A normal end is no failure: the child had
// nothing more to do.
func (d *dynamic) answerStarting(c *child, reason error, declined bool) (discard bool) {
	if c.state == Starting && reason != nil && !declined {
		d.tell(ChildStartFailed, c, nil, reason)
	}
	reply := c.takeStarting()
	switch {
	case reply == nil:
		return false
	case d.stopping || c.state == Stopping:
		reply(nil, ErrStopping)
	case reason == nil:
		reply(c.last, nil)
		return false
	case declined:
		reply(nil, about(ErrIgnore, c.spec.ID))
	default:
		reply(nil, &StartError{ID: c.spec.ID, Reason: reason})
	}
	return true
}

// restart counts a failure, and restarts the child unless it was one too many.
func (d *dynamic) restart(c *child, reason error) {
	w := &d.window
	if d.perChild {
		w = &c.more().window
	}
	if !w.over(d.limit) {
		c.remember(reason)
		c.restarts++
		d.byID[c.spec.ID] = c // while it has no PID, it must be found
		d.begin(c, []*child{c}, reason, false)
		return
	}
	err := d.limit.exceeded(c.spec.ID, reason)
	if d.perChild {
		d.tell(ChildGivenUp, c, c.last, err)
		d.remove(c, err)
		return
	}
	d.remove(c, reason)
	d.shutdown(err)
}

func (d *dynamic) recovered(r *recovery) {
	for _, c := range r.remaining() {
		d.launch(c)
	}
}

func (d *dynamic) refused(c *child, reason error) { d.remove(c, reason) }

// remove forgets a child for good.
func (d *dynamic) remove(c *child, reason error) {
	d.live--
	if c.nested {
		d.nested--
	}
	d.set(c, Idle)
	if len(d.byID) > 0 && d.byID[c.spec.ID] == c {
		delete(d.byID, c.spec.ID)
	}
	d.final(c, reason)
	for _, reply := range c.takeStopping() {
		reply(nil)
	}
	if d.stopping && d.live == 0 {
		d.exit()
	}
}
