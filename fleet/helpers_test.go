package fleet_test

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/fleet"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/memory"
)

var ana = gentask.Author{By: "ana", Reason: "the provider is down"}

// world is a fleet in a bubble: a broker, a queue, and nodes.
type world struct {
	*testing.T
	broker *memory.Broker
	queue  *memory.Queue
	nodes  []*member
}

// member is one process of the fleet.
type member struct {
	*fleet.Node
	line     *memory.Broker // its own connection
	consumer *gentask.Consumer
	log      *logbook
}

func bubble(t *testing.T, f func(w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{T: t, broker: memory.NewBroker(), queue: memory.New(memory.Config{Name: "emails"})}
		defer w.queue.Close()
		defer w.end()
		f(w)
	})
}

// end closes what is left.
func (w *world) end() {
	for _, m := range w.nodes {
		m.line.Restore()
		m.leave(w)
	}
}

// sleeping is a behaviour whose jobs take d.
func sleeping(d time.Duration) gentask.Behavior {
	return gentask.Handle(func(ctx context.Context, _ []byte) error {
		select {
		case <-time.After(d):
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	})
}

// add joins a node with a consumer that is not running yet.
func (w *world) add(cfg fleet.Config, b gentask.Behavior, own gentask.Config) *member {
	w.Helper()
	m, err := w.tryAdd(cfg, b, own)
	require.NoError(w, err)
	return m
}

func (w *world) tryAdd(cfg fleet.Config, b gentask.Behavior, own gentask.Config) (*member, error) {
	w.Helper()
	consumer, err := gentask.New(w.queue, b, own)
	require.NoError(w, err)
	m := &member{line: w.broker.Connect(), consumer: consumer, log: &logbook{}}
	cfg.Logger = slog.New(m.log)
	node, err := fleet.Join(w.Context(), m.line, cfg, consumer)
	if err != nil {
		return nil, err
	}
	m.Node = node
	w.nodes = append(w.nodes, m)
	return m, nil
}

// fleet joins n nodes, which are called node01 and so on, and starts their consumers.
func (w *world) fleet(n int, own gentask.Config) []*member {
	w.Helper()
	for i := range n {
		m := w.add(fleet.Config{Node: fmt.Sprintf("node%02d", i+1)}, sleeping(time.Second), own)
		require.NoError(w, m.consumer.Start())
	}
	return w.nodes
}

// observer joins without consumers.
func (w *world) observer() *fleet.Node {
	w.Helper()
	n, err := fleet.Join(w.Context(), w.broker.Connect(), fleet.Config{Node: "cli"})
	require.NoError(w, err)
	w.Cleanup(func() { require.NoError(w, n.Close()) })
	return n
}

// leave ends the consumer and the node.
func (m *member) leave(w *world) {
	w.Helper()
	_, err := m.consumer.Stop(context.Background())
	require.NoError(w, err)
	require.NoError(w, m.Close())
}

func (w *world) publish(ids ...string) {
	w.Helper()
	for _, id := range ids {
		require.NoError(w, w.queue.Publish(w.Context(), queue.Message{ID: id, Body: []byte("x")}))
	}
}

// logbook keeps the messages of a log.
type logbook struct {
	mu    sync.Mutex
	lines []string
}

func (l *logbook) Enabled(context.Context, slog.Level) bool { return true }

func (l *logbook) Handle(_ context.Context, r slog.Record) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, r.Level.String()+" "+r.Message)
	return nil
}

func (l *logbook) WithAttrs([]slog.Attr) slog.Handler { return l }

func (l *logbook) WithGroup(string) slog.Handler { return l }

// all returns the lines so far, and forgets them.
func (l *logbook) all() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	lines := l.lines
	l.lines = nil
	return lines
}

// must returns what f returns.
func must[T any](w *world, f func(context.Context) (T, error), ctx context.Context) T { //nolint:revive // f first reads better
	w.Helper()
	v, err := f(ctx)
	require.NoError(w, err)
	return v
}
