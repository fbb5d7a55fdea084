package supervision

import (
	"github.com/gentask/gentask/actor"
)

func (m *StartRequest) shield(b *base)     { m.Reply = shielded(b, m.Reply, m.own) }
func (m *RestartRequest) shield(b *base)   { m.Reply = shielded(b, m.Reply, m.own) }
func (m *ChildRequest) shield(b *base)     { m.Reply = shielded(b, m.Reply, m.own) }
func (m *ChildrenRequest) shield(b *base)  { m.Reply = shielded(b, m.Reply, m.own) }
func (m *CountRequest) shield(b *base)     { m.Reply = shielded(b, m.Reply, m.own) }
func (m *TypesRequest) shield(b *base)     { m.Reply = shielded(b, m.Reply, m.own) }
func (m *DeleteRequest) shield(b *base)    { m.Reply = shieldedError(b, m.Reply, m.own) }
func (m *TerminateRequest) shield(b *base) { m.Reply = shieldedError(b, m.Reply, m.own) }

func (m *StartRequest) refuse(b *base, err error)   { b.answerStart(m, nil, err) }
func (m *RestartRequest) refuse(_ *base, err error) { answer(m.Reply, nil, err) }
func (m *ChildRequest) refuse(_ *base, err error)   { answer(m.Reply, ChildInfo{}, err) }
func (m *ChildrenRequest) refuse(_ *base, err error) {
	answer(m.Reply, nil, err)
}
func (m *CountRequest) refuse(_ *base, err error)     { answer(m.Reply, Counts{}, err) }
func (m *TypesRequest) refuse(_ *base, err error)     { answer(m.Reply, TypeCounts{}, err) }
func (m *DeleteRequest) refuse(_ *base, err error)    { answerError(m.Reply, err) }
func (m *TerminateRequest) refuse(_ *base, err error) { answerError(m.Reply, err) }

// shielded returns a reply that can neither stop nor harm the supervisor, whatever the given one
// does.
func shielded[T any](b *base, reply func(T, error), own bool) func(T, error) {
	if reply == nil || own {
		return reply
	}
	return func(v T, err error) { b.beside(func() { reply(v, err) }, nil) }
}

func shieldedError(b *base, reply func(error), own bool) func(error) {
	if reply == nil || own {
		return reply
	}
	return func(err error) { b.beside(func() { reply(err) }, nil) }
}

func answer[T any](reply func(T, error), v T, err error) {
	if reply != nil {
		reply(v, err)
	}
}

func answerError(reply func(error), err error) {
	if reply != nil {
		reply(err)
	}
}

// answerStart tells the outcome of a start. A failure that nobody asked about is told to Notify.
func (b *base) answerStart(m *StartRequest, pid *actor.PID, err error) {
	switch {
	case m.Reply != nil:
		m.Reply(pid, err)
	case err != nil && m.Spec.Notify != nil:
		actor.Send(b.ctx.ActorSystem(), m.Spec.Notify, &Ended{ID: m.Spec.ID, Tag: m.Spec.Tag, Reason: err})
	}
}
