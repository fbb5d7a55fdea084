package gentask

import (
	"log/slog"
	"os"
	"strings"

	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/queue"
)

// The keys of the attributes that records have in common, in the order in which they come.
const (
	keyConsumer = "consumer" // Config.Name
	keyQueue    = "queue"    // the queue's name
	keyNode     = "node"     // the host
	keyJob      = "job.id"   // the message's ID
	keyAttempt  = "attempt"
	keyTrace    = "trace_id" // if the job is traced
	keyError    = "error"
	keyStack    = "stack"
)

// placeAttrs returns the attributes of all records of a consumer.
func placeAttrs(name string, source queue.Source) []slog.Attr {
	place := []slog.Attr{slog.String(keyConsumer, name)}
	if named, ok := source.(queue.Named); ok {
		place = append(place, slog.String(keyQueue, named.Name()))
	}
	if host, err := os.Hostname(); err == nil {
		place = append(place, slog.String(keyNode, host))
	}
	return place
}

// jobAttrs returns the attributes of a record about a job, with its trace context.
func jobAttrs(id string, attempt int, trace string) []slog.Attr {
	all := append(make([]slog.Attr, 0, 8), slog.String(keyJob, id), slog.Int(keyAttempt, attempt))
	if id := traceID(trace); id != "" {
		all = append(all, slog.String(keyTrace, id))
	}
	return all
}

// failureAttrs returns the attributes of an error, with its stack if it has one.
func failureAttrs(reason error) []slog.Attr {
	return []slog.Attr{slog.Any(keyError, reason), slog.Any(keyStack, stackOf{reason})}
}

// stackOf is the stack of a sealed error. Its text is made when it is written. Without a stack the
// attribute is omitted.
type stackOf struct{ reason error }

// LogValue implements slog.LogValuer.
func (s stackOf) LogValue() slog.Value {
	if stack := actor.Stack(s.reason); stack != "" {
		return slog.StringValue(stack)
	}
	return slog.GroupValue()
}

// traceID returns the trace ID of a traceparent; empty if it has none.
func traceID(traceparent string) string {
	parts := strings.Split(traceparent, "-")
	if len(parts) < 4 {
		return ""
	}
	return parts[1]
}
