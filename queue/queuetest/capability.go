package queuetest

import (
	"testing"
	"time"

	"github.com/gentask/gentask/queue"
	"github.com/stretchr/testify/require"
)

// Capability is a part of the contract that not every broker supports through its client. The set
// is closed.
type Capability string

const (
	// Keeping is to keep messages that are published without a consumer, and those that a session
	// has not settled, and to share them between sessions.
	Keeping Capability = "keeping"

	// Delay is to keep a delayed message without a slot and beyond its session.
	Delay Capability = "delay"

	// Loss is to end a session whose connection is cut.
	Loss Capability = "loss"

	// NotBefore is to deliver a message no earlier than its [queue.Message.NotBefore].
	NotBefore Capability = "not before"

	// Priority is to deliver messages with a higher [queue.Message.Priority] first.
	Priority Capability = "priority"

	// Unique is to enqueue only one message with the same [queue.Message.UniqueKey].
	Unique Capability = "unique"

	// UniqueUntilDone is to keep a key for as long as its message is in the queue: see
	// [queue.UntilDone].
	UniqueUntilDone Capability = "unique until done"

	// Properties is to keep a message's [queue.Message.Properties] over all of its attempts.
	Properties Capability = "properties"

	// Letters is to list dead letters, to give them back and to purge them: see [queue.Letters].
	Letters Capability = "letters"
)

// lacks returns, for each capability, the case that replaces those that need it. The replacement
// shows that a capability declared as missing is missing, and that the documented behaviour holds.
func lacks() map[Capability]func(b *bench) {
	return map[Capability]func(b *bench){
		Keeping: lacksKeeping, Delay: lacksDelay, Loss: lacksLoss, Letters: lacksLetters,
		NotBefore: refused("Message.NotBefore", queue.Message{ID: "a", NotBefore: time.Now().Add(time.Minute)}),
		Priority:  refused("Message.Priority", queue.Message{ID: "a", Priority: 1}),
		Unique:    refused("Message.UniqueKey", queue.Message{ID: "a", UniqueKey: "k"}),
		UniqueUntilDone: refused("Message.UniqueUntil",
			queue.Message{ID: "a", UniqueKey: "k", UniqueUntil: queue.UntilDone}),
		Properties: refused("Message.Properties",
			queue.Message{ID: "a", Properties: &queue.Properties{CorrelationID: "c"}}),
	}
}

// lacksKeeping: messages that are published without a consumer are gone, and so are those that a
// closed session held.
func lacksKeeping(b *bench) {
	b.publish("early")
	s := b.open(1)
	b.silent(s)
	b.publish("held")
	b.receiveID(s, "held")
	b.close(s)
	b.empty()
}

// lacksDelay: a delayed message comes no earlier than asked, keeps its slot meanwhile, and is back
// at once, for the same attempt, when its session is closed.
func lacksDelay(b *bench) {
	const delay = 600 * time.Millisecond
	s := b.open(1)
	b.publish("a")
	start := time.Now()
	b.putOff(s, b.receive(s), delay)
	b.silent(s)
	d := b.receive(s)
	b.notBefore(start, delay)
	require.Equal(b.t, 1, d.Attempt)
	start = time.Now()
	b.requeue(s, d, delay)
	b.silent(s)
	d = b.receive(s)
	b.notBefore(start, delay)
	require.Equal(b.t, 2, d.Attempt)
	b.requeue(s, d, time.Hour)
	b.close(s)
	require.Equal(b.t, 2, b.receive(b.open(1)).Attempt)
}

// lacksLoss: a session whose connection was cut continues by itself; its deliveries may come again,
// though it settles them without an error.
func lacksLoss(b *bench) {
	s := b.open(1)
	b.publish("a")
	d := b.receive(s)
	b.Break()
	b.settle(s, queue.Ack, d)
	b.publish("b")
	for id := ""; id != "b"; {
		d := b.receive(s)
		id = d.ID
		require.Contains(b.t, []string{"a", "b"}, id)
		b.settle(s, queue.Ack, d)
	}
}

// lacksLetters: dead letters can't be listed, and still leave the queue.
func lacksLetters(b *bench) {
	require.Nil(b.t, b.Letters, "Fixture.Lacks has Letters")
	s := b.open(1)
	b.publish("a")
	b.settle(s, queue.DeadLetter, b.receiveID(s, "a"))
	b.publish("b")
	b.receiveID(s, "b")
}

// needs returns the capabilities that cases need beside those of every driver.
func needs() map[string][]Capability {
	all := map[string][]Capability{}
	for c, cases := range map[Capability][]string{
		Keeping: {
			"delivery/keeps the message", "delivery/fills in what is unsaid", "delivery/hostile headers",
			"delivery/line breaks in a header",
			"delivery/tags are unique", "delivery/prefetch is never exceeded", "settle/ack removes",
			"settle/twice in one batch",
			"settle/only the first counts", "settle/a settled one does not hold up the others",
			"settle/a delivery of another session is refused",
			"settle/bad settlements are refused", "settle/a shuffled batch of all dispositions", "requeue/at once",
			"requeue/with a delay",
			"requeue/keeps the message", "requeue/delays of different length", "requeue/a delay outlives its session",
			"release/costs no attempt",
			"release/of a message that was requeued", "dead letter/keeps the message and why",
			"dead letter/without reason and stack",
			"dead letter/long reason and stack are cut", "dead letter/is not delivered again",
			"dead letter/runs again when it is published again",
			"session/close gives back", "session/close twice",
			"session/after close", "session/two share a queue", "session/settled from many goroutines",
			"cancel/sends no more",
			"cancel/held deliveries can be settled", "cancel/what was on its way is not lost", "cancel/resume",
			"cancel/resume without cancel",
			"publish/many in one call", "publish/from many goroutines", "publish/before the first session",
			"release/put off",
			"release/put off outlives its session", "properties/survive a dead letter",
		},
		Properties: propertyNames(),
		Letters: append(letterNames(), "properties/survive a redrive",
			"unique/until done: a letter takes it again"),
		UniqueUntilDone: uniqueNames(),
		Delay: {
			"requeue/with a delay", "requeue/a delay outlives its session", "release/put off",
			"release/put off outlives its session",
		},
		NotBefore: {
			"order/not before its time", "order/not before, without a session", "order/delays of different length",
			"order/a time that has passed is at once", "order/a time that is centuries away is not at once",
			"properties/survive a delay",
			"unique/until done: taken while it is delayed",
		},
		Priority: {"order/priority overtakes", "order/priority stays with the message"},
		Unique: {
			"order/a unique key is enqueued once", "order/a repetition is reported",
			"order/a unique key holds whatever became of the message",
		},
		Loss: {
			"loss/unsettled deliveries come back", "loss/receive unblocks",
			"loss/a dead session settles nothing", "loss/a source outlives its sessions",
			"loss/out of order acks keep what is held", "loss/close after it",
		},
	} {
		for _, name := range cases {
			all[name] = append(all[name], c)
		}
	}
	return all
}

// instead returns the case to run in place of tc: itself, unless a capability is missing that it
// needs.
func (f Fixture) instead(t *testing.T, tc testCase) func(b *bench) {
	t.Helper()
	for c, reason := range f.Lacks {
		require.Contains(t, lacks(), c, "Fixture.Lacks names no capability")
		require.NotEmpty(t, reason, "Fixture.Lacks has to say why %q is missing", c)
	}
	for _, c := range []Capability{
		Letters, NotBefore, Priority, Unique, UniqueUntilDone, Properties, Keeping, Delay, Loss,
	} {
		for _, need := range needs()[tc.name] {
			if need == c && f.Lacks[c] != "" {
				t.Logf("lacks %s: %s", c, f.Lacks[c])
				return lacks()[c]
			}
		}
	}
	return tc.check
}
