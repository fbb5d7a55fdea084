package command_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/cmd/gentask/internal/broker"
	"github.com/gentask/gentask/cmd/gentask/internal/command"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/memory"
)

// world is a broker in memory, and a person who calls the command.
type world struct {
	*memory.Broker
	t      *testing.T
	queues map[string]*memory.Queue
	opened broker.Broker // if not nil, in its place
	broken error         // of opening it
	list   bool          // it tells the names of its queues
	made   func()        // is called when a queue was made, if it is not nil
}

func newWorld(t *testing.T, names ...string) *world {
	w := &world{Broker: memory.NewBroker(), t: t, queues: map[string]*memory.Queue{}, list: true}
	for _, name := range names {
		q := memory.New(memory.Config{Name: name})
		t.Cleanup(q.Close)
		w.queues[name] = q
	}
	return w
}

func (*world) System() string { return "memory" }
func (*world) Close() error   { return nil }

func (w *world) Queue(name string) broker.Queue { return w.queues[name] }

// ownQueue is a queue in memory that ends when it is deleted.
type ownQueue struct {
	*memory.Queue
	delete func()
}

func (q *ownQueue) Delete(context.Context) error { q.delete(); return nil }

func (w *world) Make(_ context.Context, name string) (broker.OwnQueue, error) {
	if w.queues[name] != nil {
		return nil, fmt.Errorf("%w: %q", broker.ErrQueueExists, name)
	}
	q := memory.New(memory.Config{Name: name})
	w.queues[name] = q
	if w.made != nil {
		w.made()
	}
	return &ownQueue{q, func() { delete(w.queues, name); q.Close() }}, nil
}

func (w *world) Names(context.Context) ([]string, error) {
	if !w.list {
		return nil, broker.ErrNoList
	}
	return slices.Sorted(maps.Keys(w.queues)), nil
}

func (w *world) Find(_ context.Context, name string) error {
	if w.queues[name] == nil {
		return fmt.Errorf("%w: %q", broker.ErrNoQueue, name)
	}
	return nil
}

func (*world) Peek(context.Context, string, int) ([]queue.Message, error) {
	return nil, broker.ErrNoPeek
}

// outcome is how a command ended.
type outcome struct {
	code     int
	out, err string
}

// call runs a command in this process, with in as its standard input.
func (w *world) call(in string, args ...string) outcome {
	w.t.Helper()
	return w.callIn(w.t.Context(), in, args...)
}

func (w *world) callIn(ctx context.Context, in string, args ...string) outcome {
	w.t.Helper()
	var out, errs bytes.Buffer
	code := command.Main(ctx, command.Program{
		Args: append([]string{"gentask"}, args...), In: strings.NewReader(in), Out: &out, Err: &errs,
		Hurry: make(chan struct{}),
		Open: func(context.Context, broker.Config) (broker.Broker, error) {
			if w.opened != nil {
				return w.opened, w.broken
			}
			return w, w.broken
		},
	})
	return outcome{code, out.String(), errs.String()}
}

// must runs a command that should be done, and returns its output.
func (w *world) must(args ...string) string {
	w.t.Helper()
	o := w.call("", args...)
	require.Equal(w.t, command.ExitDone, o.code, "%s%s", o.out, o.err)
	return o.out
}

// bury makes a dead letter of a message.
func (w *world) bury(name, id, reason, stack string) {
	w.t.Helper()
	q := w.queues[name]
	require.NoError(w.t, q.Publish(w.t.Context(), queue.Message{ID: id, Body: []byte("body of " + id)}))
	session, err := q.Open(w.t.Context(), queue.Options{Prefetch: 1})
	require.NoError(w.t, err)
	d, err := session.Receive(w.t.Context())
	require.NoError(w.t, err)
	require.NoError(w.t, session.Settle(w.t.Context(), []queue.Settlement{{
		Delivery: d, Disposition: queue.DeadLetter, Reason: reason, Evidence: &queue.Evidence{Stack: stack},
	}}))
	require.NoError(w.t, session.Close(w.t.Context()))
}

// objects returns the lines of JSON.
func objects(t *testing.T, text string) (all []map[string]any) {
	t.Helper()
	for line := range strings.Lines(text) {
		var one map[string]any
		require.NoError(t, json.Unmarshal([]byte(line), &one), line)
		all = append(all, one)
	}
	return all
}

// column returns one field of each object.
func column[T cmp.Ordered](all []map[string]any, name string) (values []T) {
	for _, one := range all {
		value, _ := one[name].(T)
		values = append(values, value)
	}
	return values
}
