package actor

import "github.com/gentask/gentask/internal/process"

// Ready reports to a parent that its child PID is at work: it has processed Started, and neither
// crashed nor called [Exit]. See [SpawnOptions.Ready].
type Ready struct{ PID *PID }

func (m *mailbox) ready(call *process.ReportedReady) {
	if !m.link.ready || m.phase != open || m.delayed && !call.Reported {
		return
	}
	m.link.ready = false
	process.Notify(m.sys, m.ctx().Parent(), &Ready{PID: m.self})
}
