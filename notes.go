package gentask

// notes is what a run has left for its events and its log records.
type notes struct {
	trace string // the trace context; empty if none was set
}
