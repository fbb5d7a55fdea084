package fleet

import (
	"context"
	"encoding/json"
	"iter"
	"maps"
	"time"

	"github.com/gentask/gentask/internal/guard"
	"github.com/gentask/gentask/queue"
)

const (
	// eventsEvery is the time between two questions, and eventsSoon that after an answer that did
	// not fit.
	eventsEvery = time.Second
	eventsSoon  = 100 * time.Millisecond
)

// Events yields the events of all consumers of all nodes as they come: those of a node in their
// order, and none twice. A sequence sees what happens after it has begun, which it has for a node
// with its [KindNodeJoined].
//
// The nodes are asked about once a second. A node records its events while someone asks, and for 10
// s after that; otherwise a job costs nothing more than without a fleet. It keeps 1,000 records for
// those who ask, and answers with up to 60 KiB of them at once. Records that were overwritten are
// counted: a record of [KindMissed] stands in their place. The loop body may take its time, at the
// price of such losses. Any number of sequences may run at the same time. While one does,
// [ConsumerStatus.Latency] is there, too.
//
// The sequence goes on until ctx or the loop ends. When the broker is away, it yields an error that
// wraps [queue.ErrUnavailable], once for each outage, tries again each second, and goes on where it
// was. No other error is followed by anything: those of a broker that refuses, and
// [queue.ErrClosed] when the node is closed. The end of ctx is not an error.
func (n *Node) Events(ctx context.Context, f EventFilter) iter.Seq2[EventRecord, error] {
	return func(yield func(EventRecord, error) bool) {
		w := newWatcher()
		away := false
		for ctx.Err() == nil {
			begun := time.Now()
			goes, err := n.watchOnce(ctx, w, &f, func(r EventRecord) bool { return yield(r, nil) })
			switch {
			case !goes:
				return
			case err != nil && !guard.Is(err, queue.ErrUnavailable):
				yield(EventRecord{}, err)
				return
			case err != nil && !away && !yield(EventRecord{}, err):
				return
			}
			away = err != nil
			rest(ctx, max(w.pause()-time.Since(begun), eventsSoon))
		}
	}
}

// mostAgain is how often nodes that have more to tell are asked again in a round: until all that a
// node keeps was read.
const mostAgain = 10

// watchOnce asks all nodes once, and those that have more than fits again. It reports whether the
// loop goes on.
func (n *Node) watchOnce(ctx context.Context, w *watcher, f *EventFilter, yield func(EventRecord) bool) (bool, error) {
	w.begin()
	q := w.question(f.asked())
	for range mostAgain {
		answers, err := n.askEvents(ctx, f.Node, q)
		if err != nil || ctx.Err() != nil {
			return true, err
		}
		for i := range answers {
			if !each(w.take(&answers[i], time.Now()), yield) {
				return false, nil
			}
		}
		next, more := w.again(f.asked())
		if !more {
			break
		}
		q = next
	}
	return each(w.end(time.Now()), yield), nil
}

// each yields all records, until the loop ends.
func each(all []EventRecord, yield func(EventRecord) bool) bool {
	for i := range all {
		if !yield(all[i]) {
			return false
		}
	}
	return true
}

// askEvents returns the answers to one question. It ends when all have answered, if it is known who
// will. The loop's body runs later, so that it does not hold up the bus.
func (n *Node) askEvents(ctx context.Context, only string, q eventsQuestion) ([]eventsAnswer, error) {
	var all []eventsAnswer
	open := maps.Clone(q.Cursors)
	err := n.gather(ctx, topicEvents, &question{Only: only, Events: &q}, n.cfg.Wait, func(answer []byte) bool {
		var a eventsAnswer
		if json.Unmarshal(answer, &a) != nil || a.Node == "" || a.Instance == "" {
			return true // of another program
		}
		all = append(all, a)
		delete(open, a.Instance)
		return !q.Rest || len(open) > 0
	})
	return all, err
}
