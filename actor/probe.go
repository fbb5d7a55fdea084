package actor

// probeCall asks a mailbox to call answer.
type probeCall struct{ answer func() }

// Probe calls answer, once, when the actor of this package that lives under pid can be reached:
// between two messages, and before those that wait. An actor whose Receive does not return never
// answers. If nobody lives under pid, Probe calls answer at once. answer may be called on any
// goroutine, and must neither block nor panic.
func Probe(sys *System, pid *PID, answer func()) {
	if p, ok := sys.ProcessRegistry.Get(pid); ok {
		p.SendSystemMessage(pid, &probeCall{answer: answer})
		return
	}
	answer()
}
