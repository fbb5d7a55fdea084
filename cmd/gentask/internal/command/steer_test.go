package command_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/cmd/gentask/internal/command"
	"github.com/gentask/gentask/fleet"
	"github.com/gentask/gentask/queue"
)

// nothing is a behaviour that is never run.
var nothing = gentask.Handle(func(context.Context, gentask.Raw) error { return nil })

// join starts a node with a consumer whose jobs wait until they are cancelled.
func (w *world) join(name, id string) *gentask.Consumer {
	w.t.Helper()
	consumer, err := gentask.New(w.queues[name], gentask.Handle(func(ctx context.Context, _ gentask.Raw) error {
		<-ctx.Done()
		return ctx.Err()
	}), gentask.Config{Concurrency: 3, DrainTimeout: -1})
	require.NoError(w.t, err)
	node, err := fleet.Join(w.t.Context(), w.Broker, fleet.Config{Node: id, Version: "1.2.3"}, consumer)
	require.NoError(w.t, err)
	var running sync.WaitGroup
	ctx, cancel := context.WithCancel(context.Background())
	running.Go(func() { _ = consumer.Run(ctx) })
	w.t.Cleanup(func() { cancel(); running.Wait(); _ = node.Close() })
	require.Eventually(w.t, func() bool { return consumer.Health().State == gentask.Consuming }, 10*time.Second, time.Millisecond)
	return consumer
}

func TestSteer_NodesFollow(t *testing.T) {
	w := newWorld(t, "emails")
	consumer := w.join("emails", "node-1")
	require.Equal(t, "node-1\temails\temails\tyes\t0\t\n", w.must("pause", "emails", "--as", "ana", "--reason", "it rains"))
	require.Equal(t, gentask.Author{By: "ana", Reason: "it rains"}, consumer.Health().Overrides.Paused.Author)
	commands := objects(t, w.must("--json", "commands"))
	require.Len(t, commands, 1)
	require.Equal(t, "ana", commands[0]["by"])
	require.Contains(t, w.must("nodes"), "paused on by ana")

	report := objects(t, w.must("--json", "resume", "emails"))[0]
	require.Equal(t, "node-1", report["acks"].([]any)[0].(map[string]any)["node"])
	w.must("limit", "concurrency", "emails", "2")
	require.Equal(t, 2, consumer.Health().Overrides.Concurrency.Value)
	w.must("limit", "rate", "emails", "2.5", "--burst", "4")
	require.Equal(t, &gentask.Rate{PerSecond: 2.5, Burst: 4}, consumer.Health().Overrides.Rate.Value)
	w.must("limit", "rate", "emails", "none")
	w.must("limit", "rate", "emails", "reset")
	w.must("limit", "concurrency", "emails", "reset")
	for _, verb := range []string{"open", "release", "reset"} {
		w.must("breaker", verb, "emails")
	}
}

// TestSteer_OneThatRefuses is shown, and is exit code 1.
func TestSteer_OneThatRefuses(t *testing.T) {
	w := newWorld(t, "emails")
	w.join("emails", "node-1")
	o := w.call("", "limit", "concurrency", "emails", "50")
	require.Equal(t, command.ExitFound, o.code)
	require.True(t, strings.HasPrefix(o.out, "node-1\temails\temails\tno\t0\t"), o.out)
	require.Contains(t, o.err, "do not follow")
}

// TestSteer_WithoutNodes: the command is kept, and the output shows that no node follows it yet.
func TestSteer_WithoutNodes(t *testing.T) {
	w := newWorld(t, "emails")
	o := w.call("", "pause", "emails")
	require.Equal(t, 0, o.code)
	require.Contains(t, o.err, "those that start later follow")
	require.Contains(t, w.call("", "resume", "emails", "--wait", "0s").err, "kept for queue emails")
	require.Equal(t, command.ExitMissing, w.call("", "drain", "no-such-node").code)
}

func TestJobs_CancelAndDrain(t *testing.T) {
	w := newWorld(t, "emails", "reports")
	consumer := w.join("emails", "node-1")
	require.NoError(t, w.queues["emails"].Publish(t.Context(), queue.Message{ID: "m1"}, queue.Message{ID: "m2"}))
	require.Eventually(t, func() bool { return consumer.Health().Running == 2 }, 10*time.Second, time.Millisecond)
	require.Eventually(t, func() bool { // an answer of a node may be a second old
		return len(objects(t, w.must("--json", "jobs", "--queue", "emails", "--node", "node-1"))) == 2
	}, 10*time.Second, 50*time.Millisecond)
	require.Empty(t, w.must("jobs", "--queue", "reports"))
	require.Empty(t, w.must("jobs", "--node", "another"))
	require.Equal(t, "node-1\temails\temails\tyes\t1\t\n", w.must("cancel", "m1"))
	require.Eventually(t, func() bool { return consumer.Health().Running == 1 }, 10*time.Second, time.Millisecond)
	w.must("cancel", "m1", "--undo")
	require.Contains(t, w.must("drain", "node-1"), "node-1\t")
	<-consumer.Done()
}

// TestJobs_WatchIsInterrupted by a signal, with its exit code.
func TestJobs_WatchIsInterrupted(t *testing.T) {
	w := newWorld(t, "emails")
	ctx, cancel := context.WithCancelCause(t.Context())
	time.AfterFunc(50*time.Millisecond, func() { cancel(command.Interrupted()) })
	require.Equal(t, command.ExitInterrupted, w.callIn(ctx, "", "jobs", "--watch").code)
}

func TestSchedule(t *testing.T) {
	w := newWorld(t)
	require.Contains(t, w.call("", "schedule", "list", "reports").err, "no plans")
	w.must("schedule", "add", "reports", "daily", "30 2 * * *", "--zone", "Europe/Berlin", "--latest", "--body", "x")
	plan := objects(t, w.must("--json", "schedule", "list", "reports"))[0]
	require.Equal(t, []any{"daily", "30 2 * * *", "Europe/Berlin", "latest", false},
		[]any{plan["plan"], plan["cron"], plan["zone"], plan["missed"], plan["paused"]})
	require.NotEmpty(t, plan["next"])
	w.must("schedule", "pause", "reports", "daily")
	require.Contains(t, w.must("schedule", "list", "reports"), "paused")
	w.must("schedule", "resume", "reports", "daily")
	w.must("schedule", "remove", "reports", "daily")
	require.Equal(t, command.ExitMissing, w.call("", "schedule", "remove", "reports", "daily").code)
}

func TestDoctor_OfAFleet(t *testing.T) {
	w := newWorld(t, "emails")
	require.NoError(t, w.queues["emails"].Publish(t.Context(), queue.Message{}))
	w.bury("emails", "x", "boom", "")
	o := w.call("", "--json", "doctor")
	require.Equal(t, command.ExitFound, o.code)
	require.Equal(t, []string{"wrong", "risk"}, column[string](objects(t, o.out), "level"))
	require.Contains(t, o.out, "0 sessions consume")
	require.Contains(t, o.out, "letters list --group emails")

	w = newWorld(t, "emails")
	w.join("emails", "node-1")
	require.Empty(t, w.must("doctor"))
	require.Contains(t, w.must("doctor", "--all"), "fine\tnode \"node-1\", consumer \"emails\"\tconsuming")
	require.Equal(t, command.ExitFound, w.call("", "doctor", "typo").code)
}
