package gentask

import "log/slog"

// notes is what a run has left for its events, its log records and its dead letter.
type notes struct {
	trace  string       // the trace context; empty if none was set
	logger *slog.Logger // of the job; nil before it is used, and after the trace has changed
	tail   *tail        // nil unless log lines are kept
}
