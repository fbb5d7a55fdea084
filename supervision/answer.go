package supervision

import (
	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/internal/supervise"
)

func (m *startRequest) refuse(b *base, err error)   { b.answerStart(m, nil, err) }
func (m *restartRequest) refuse(_ *base, err error) { answer(m.Reply, nil, err) }
func (m *childRequest) refuse(_ *base, err error)   { answer(m.Reply, ChildInfo{}, err) }
func (m *childrenRequest) refuse(_ *base, err error) {
	answer(m.Reply, nil, err)
}
func (m *countRequest) refuse(_ *base, err error)     { answer(m.Reply, Counts{}, err) }
func (m *deleteRequest) refuse(_ *base, err error)    { answerError(m.Reply, err) }
func (m *terminateRequest) refuse(_ *base, err error) { answerError(m.Reply, err) }

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

// answerStart reports the outcome of a start. A failure without a Reply is reported to Notify.
func (b *base) answerStart(m *startRequest, pid *actor.PID, err error) {
	switch {
	case m.Reply != nil:
		m.Reply(pid, err)
	case err != nil:
		b.notify(m.Spec.Notify, m.tag, Ended{ID: m.Spec.ID, Reason: err})
	}
}

// notify reports that a child is gone for good. A child of a [supervise.Start] has a tag.
func (b *base) notify(to *actor.PID, tag any, e Ended) {
	switch {
	case to == nil:
	case tag != nil:
		actor.Send(b.ctx.ActorSystem(), to, &supervise.Ended{Tag: tag, Reason: e.Reason})
	default:
		actor.Send(b.ctx.ActorSystem(), to, &e)
	}
}
