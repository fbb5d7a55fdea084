package fleet

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/internal/guard"
	"github.com/gentask/gentask/queue"
)

// The commands below return when the broker has confirmed the record. Nodes that are reached follow
// within a second; [Command.Report] returns what they have made of it. Of commands given at the
// same time, the last one counts, and none is lost unnoticed: the generation of a command counts
// all.
//
// They return an error that wraps [queue.ErrConfig] for values that make no sense,
// [queue.ErrUnavailable] if the broker is away and nothing was commanded, [queue.ErrUncertain] if
// ctx ended before it was certain, and ctx.Err(). An empty Author.By is the node's id.

// Pause stops all consumers of a queue from taking work: see [gentask.Overrides.Paused].
func (n *Node) Pause(ctx context.Context, queue string, by gentask.Author) (*Command, error) {
	return n.command(ctx, record{Kind: kindPaused, Queue: queue, On: true}, by)
}

// Resume undoes [Node.Pause]. A consumer that its program has paused stays paused.
func (n *Node) Resume(ctx context.Context, queue string, by gentask.Author) (*Command, error) {
	return n.command(ctx, record{Kind: kindPaused, Queue: queue}, by)
}

// SetConcurrency changes how many jobs each consumer of a queue runs at a time: see
// [gentask.Overrides.Concurrency]. Zero means as configured. A consumer whose prefetch is smaller
// refuses the command, which its node reports.
func (n *Node) SetConcurrency(ctx context.Context, queue string, jobs int, by gentask.Author) (*Command, error) {
	return n.command(ctx, record{Kind: kindConcurrency, Queue: queue, Concurrency: jobs}, by)
}

// SetRate changes the rate of each consumer of a queue: see [gentask.Overrides.Rate]. The zero Rate
// lifts the limit, and nil means as configured.
func (n *Node) SetRate(ctx context.Context, queue string, r *gentask.Rate, by gentask.Author) (*Command, error) {
	rec := record{Kind: kindRate, Queue: queue}
	if r != nil {
		rec.Rate = &Rate{PerSecond: r.PerSecond, Burst: r.Burst}
	}
	return n.command(ctx, rec, by)
}

// OpenBreaker keeps the breakers of all consumers of a queue open: see
// [gentask.Overrides.BreakerOpen].
func (n *Node) OpenBreaker(ctx context.Context, queue string, by gentask.Author) (*Command, error) {
	return n.command(ctx, record{Kind: kindBreakerOpen, Queue: queue, On: true}, by)
}

// ReleaseBreaker undoes [Node.OpenBreaker].
func (n *Node) ReleaseBreaker(ctx context.Context, queue string, by gentask.Author) (*Command, error) {
	return n.command(ctx, record{Kind: kindBreakerOpen, Queue: queue}, by)
}

// ResetBreaker closes the breakers of all consumers of a queue, once: see
// [gentask.Overrides.BreakerReset]. Those that [Node.OpenBreaker] keeps open stay open.
func (n *Node) ResetBreaker(ctx context.Context, queue string, by gentask.Author) (*Command, error) {
	return n.command(ctx, record{Kind: kindReset, Queue: queue}, by)
}

// Cancel cancels the jobs with a message ID in a queue, or in all queues if queue is empty,
// wherever they run or wait: see [gentask.Overrides.Cancelled]. It is remembered for [Config.Keep],
// so that a job that is delivered meanwhile is not run either.
func (n *Node) Cancel(ctx context.Context, queue, id string, by gentask.Author) (*Command, error) {
	return n.command(ctx, record{Kind: kindCancelled, Queue: queue, Job: id, On: true}, by)
}

// Uncancel undoes a [Node.Cancel] with the same queue and id, for jobs that have not been cancelled
// yet, and for messages with that ID that are published later.
func (n *Node) Uncancel(ctx context.Context, queue, id string, by gentask.Author) (*Command, error) {
	return n.command(ctx, record{Kind: kindCancelled, Queue: queue, Job: id}, by)
}

// Drain ends the consumers of a node: see [gentask.Overrides.Drained]. It is for the process that
// answers now. The next one with the same [Config.Node] works again. Drain returns [ErrUnknownNode]
// if no such node answers.
func (n *Node) Drain(ctx context.Context, node string, by gentask.Author) (*Command, error) {
	found, err := n.ask(ctx, node)
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("%w: %q", ErrUnknownNode, clip(node, maxNode))
	}
	newest := slices.MaxFunc(found, func(a, b NodeStatus) int { return a.Started.Compare(b.Started) })
	return n.command(ctx, record{Kind: kindDrained, Node: newest.Node, Instance: newest.Instance, On: true}, by)
}

const (
	// keepOff is how long a command is kept that has been taken back.
	keepOff = 30 * 24 * time.Hour

	// maxQueue is the longest name of a queue that a command can have, in bytes.
	maxQueue = 1 << 10

	// mostWrites is how many writes a record remembers.
	mostWrites = 16

	// lookAgain is the wait before a record is read again, while the broker is away.
	lookAgain = 50 * time.Millisecond
)

// command writes a record in the place of the present one.
func (n *Node) command(ctx context.Context, r record, by gentask.Author) (*Command, error) {
	r.Format, r.By, r.Reason = format, by.By, by.Reason
	if r.By == "" {
		r.By = n.cfg.Node
	}
	if err := r.sound(); err != nil {
		return nil, err
	}
	write, uncertain := randomName(8), false
	for {
		old, at, err := n.present(ctx, r.key(), uncertain)
		switch {
		case err != nil && uncertain:
			return nil, fmt.Errorf("fleet: store: %w: %w", queue.ErrUncertain, err)
		case err != nil:
			return nil, fmt.Errorf("fleet: store: %w", err)
		case r.writtenIn(old, write):
			return newCommand(n, &r, at), nil // its answer was lost
		}
		revision, err := n.store.Put(ctx, r.key(), r.after(old, write), at, n.keep(&r))
		switch {
		case err == nil:
			return newCommand(n, &r, revision), nil
		case guard.Is(err, queue.ErrUncertain):
			uncertain = true
		case !guard.Is(err, queue.ErrConflict): // then another command came first
			return nil, fmt.Errorf("fleet: store: %w", err)
		}
	}
}

// writtenIn reports whether a write of r is in old, or in one that old has followed. It finds out
// its generation.
func (r *record) writtenIn(old *record, write string) bool {
	i := slices.Index(old.Writes, write)
	if i < 0 {
		return false
	}
	r.Generation = old.Generation - uint64(len(old.Writes)-1-i) //nolint:gosec // not negative
	return true
}

// sound returns why the record is no command that a node would take.
func (r *record) sound() error {
	if len(r.Queue) > maxQueue || r.Queue == "" && r.Kind != kindCancelled && r.Kind != kindDrained {
		return fmt.Errorf("%w: fleet: the name of the queue has %d bytes; want 1 to %d",
			queue.ErrConfig, len(r.Queue), maxQueue)
	}
	if !utf8.ValidString(r.Queue + r.Job) {
		return fmt.Errorf("%w: fleet: the queue %q or the job %q is not UTF-8", queue.ErrConfig,
			clip(r.Queue, mostIDText), clip(r.Job, mostIDText))
	}
	if r.Kind == kindCancelled && r.Job == "" {
		return fmt.Errorf("%w: fleet: the ID of the job is empty; want that of its message", queue.ErrConfig)
	}
	if err := r.check(math.MaxInt); err != nil {
		return fmt.Errorf("%w: fleet: %w", queue.ErrConfig, err)
	}
	return nil
}

// present returns the record under a key, and its revision as the condition to replace it. A record
// that is not a command is replaced like one that isn't there. If patient, present waits for a
// broker that is away until ctx ends.
func (n *Node) present(ctx context.Context, key string, patient bool) (*record, queue.Revision, error) {
	for {
		found, err := n.store.Get(ctx, key)
		switch {
		case err == nil:
			old, err := read(key, found.Value)
			if err != nil {
				old = &record{}
			}
			return old, found.Revision, nil
		case guard.Is(err, queue.ErrNoRecord):
			return &record{}, queue.Absent, nil
		case !patient || !guard.Is(err, queue.ErrUnavailable):
			return nil, 0, err
		}
		rest(ctx, lookAgain)
		if ctx.Err() != nil {
			return nil, 0, ctx.Err()
		}
	}
}

// after completes the record as the one that follows old, and returns it in JSON.
func (r *record) after(old *record, write string) []byte {
	r.At = time.Now().UTC()
	r.Generation = old.Generation + 1
	r.Writes = append(slices.Clone(old.Writes), write)
	if len(r.Writes) > mostWrites {
		r.Writes = r.Writes[len(r.Writes)-mostWrites:]
	}
	if r.Kind == kindReset {
		// Another value than all before, also after the store was made again.
		r.Reset = max(old.Reset+1, uint64(max(r.At.UnixMicro(), 1))) //nolint:gosec // not negative
	}
	body, _ := json.Marshal(r) // it was checked: it has no value that JSON has not
	return body
}

// keep returns how long the record is kept; zero is for good.
func (n *Node) keep(r *record) time.Duration {
	switch {
	case r.Kind == kindCancelled || r.Kind == kindDrained:
		return n.cfg.Keep
	case r.off():
		return keepOff
	}
	return 0
}
