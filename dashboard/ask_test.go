package dashboard_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/fleet"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/memory"
)

// TestJob_ShowsItsStack when it is asked for, and not before.
func TestJob_ShowsItsStack(t *testing.T) {
	w := newWorld(t, "emails", nil)
	w.publish("4711")
	<-w.running
	w.eventually("/jobs", "4711")
	page := w.get("/job?queue=emails&job=4711")
	require.NotContains(t, page, "(*world).behavior")
	page = w.get("/" + links(page, "job?job=4711&queue=emails&stack")[0])
	require.Contains(t, page, "(*world).behavior")
	require.Contains(t, page, "On node&lt;1&gt;")
	require.Contains(t, w.get("/job?queue=emails&job=other&stack=yes"), "No task of this job")
}

// TestEvents_AreThoseOfAllNodes: the page shows the ends of jobs and what happens to consumers, and
// the page of the queue shows how long jobs take.
func TestEvents_AreThoseOfAllNodes(t *testing.T) {
	w := newWorld(t, "emails", nil)
	q := memory.New(memory.Config{Name: "quick"})
	defer q.Close()
	c, err := gentask.New(q, gentask.Handle(func(_ context.Context, b []byte) error {
		if string(b) == "bad" {
			return gentask.DeadLetter(errors.New("no <such> address"))
		}
		return nil
	}), gentask.Config{})
	require.NoError(t, err)
	node, err := fleet.Join(t.Context(), w.broker.Connect(), fleet.Config{Node: "two"}, c)
	require.NoError(t, err)
	defer node.Close()
	require.NoError(t, c.Start())
	defer func() { _, _ = c.Stop(context.Background()) }()

	w.eventually("/events", "node joined")
	w.eventually("/events?node=two", "node joined")
	require.NoError(t, q.Publish(t.Context(), queue.Message{ID: "good", Body: []byte("x")}, queue.Message{ID: "lost", Body: []byte("bad")}))
	page := w.eventually("/events", "no &lt;such&gt; address")
	require.Contains(t, page, "dead-lettered")
	require.Contains(t, w.eventually("/events?queue=quick", "good"), "lost")
	require.NotContains(t, w.get("/events?only=failures"), "good")
	require.NotContains(t, w.get("/events?id=good"), "dead-lettered")
	require.NotContains(t, w.get("/events?queue=emails"), "good")
	w.act(of("queue", "emails"), "do", "pause", "reason", "a pause")
	w.eventually("/events?queue=emails", "a pause")
	require.Contains(t, w.eventually("/queue?queue=quick", "p99"), "median")
}
