package actor

// Ready tells a parent that its child PID has processed Started, neither crashing nor calling Exit, and is at work: see SpawnOptions.Ready.
type Ready struct{ PID *PID }

// DelayReady makes the parent of the actor that ctx belongs to wait with Ready until ReportReady is called: for actors that are at work only
// when something else is, as a supervisor is when its children are. It is to be called while Started is processed.
func DelayReady(ctx Context) {
	sendSystem(ctx.ActorSystem(), ctx.Self(), &delayCall{})
}

// ReportReady sends the parent the Ready that DelayReady held back, if it asked for one.
func ReportReady(ctx Context) {
	sendSystem(ctx.ActorSystem(), ctx.Self(), &readyCall{reported: true})
}

// Messages of this package that mailboxes understand, in the system queue.
type (
	// readyCall sends Ready, unless it is delayed and this is not the report that ends the delay.
	readyCall struct{ reported bool }
	// delayCall delays Ready.
	delayCall struct{}
)

func (m *mailbox) ready(call *readyCall) {
	if !m.link.ready || m.phase != open || m.delayed && !call.reported {
		return
	}
	m.link.ready = false
	Notify(m.sys, m.ctx().Parent(), &Ready{PID: m.self})
}
