package queuetest

import (
	"time"

	"github.com/gentask/gentask/queue"
	"github.com/stretchr/testify/require"
)

// uniqueCases: keys that are taken until a message is done.
func uniqueCases() []testCase {
	return []testCase{
		{"unique/until done: the first one only", doneOnce},
		{"unique/until done: free at the end", doneFree},
		{"unique/until done: taken until then", doneKept},
		{"unique/until done: taken while it is delayed", doneDelayed},
		{"unique/until done: a lost session keeps it", doneLost},
		{"unique/until done: apart from a window", doneApart},
		{"unique/until done: a letter takes it again", doneRedriven},
		{"unique/bad requests are refused", badUnique},
	}
}

// uniqueNames are the names of the cases that need [UniqueUntilDone].
func uniqueNames() []string {
	var names []string
	for _, c := range uniqueCases() {
		if c.name != "unique/bad requests are refused" {
			names = append(names, c.name)
		}
	}
	return names
}

// locked is a message whose key "k" is taken until it is done.
func locked(id string) queue.Message {
	return queue.Message{ID: id, Body: []byte(id), UniqueKey: "k", UniqueUntil: queue.UntilDone}
}

// duplicates publishes msgs in one call, and requires which of them are reported as duplicates.
func (b *bench) duplicates(want []bool, msgs ...queue.Message) {
	b.t.Helper()
	_, reports := b.Publisher.(queue.ResultPublisher)
	results, err := queue.PublishResults(b.ctx, b.Publisher, msgs...)
	require.NoError(b.t, err, "a duplicate is no error")
	require.Len(b.t, results, len(msgs))
	for i, r := range results {
		require.Equal(b.t, want[i] && reports, r.Duplicate, "message %q", r.ID)
	}
}

// free requires that the key "k" is free, and leaves it so.
func (b *bench) free(s queue.Session) {
	b.t.Helper()
	b.duplicates([]bool{false}, locked("next"))
	b.settle(s, queue.Ack, b.receiveID(s, "next"))
}

// doneOnce: of messages with one key, in one call and in many, the first is enqueued, and the
// others are reported. The order of publishing stays.
func doneOnce(b *bench) {
	other := locked("other")
	other.UniqueKey = "another"
	b.duplicates([]bool{false, true, false, false}, locked("a"), locked("b"), queue.Message{ID: "plain"}, other)
	b.duplicates([]bool{true, false}, locked("c"), queue.Message{ID: "last"})
	s := b.open(5)
	for _, id := range []string{"a", "plain", "other", "last"} {
		d := b.receiveID(s, id)
		require.Empty(b.t, d.UniqueKey, "it is an order to the publisher, and done")
		require.Zero(b.t, d.UniqueUntil)
		require.Equal(b.t, 1, d.Attempt)
	}
	b.silent(s)
}

// doneFree: an acknowledged message has freed its key, and so has a dead letter.
func doneFree(b *bench) {
	s := b.open(1)
	for _, disposition := range []queue.Disposition{queue.Ack, queue.DeadLetter} {
		b.put(locked("a"))
		b.settle(s, disposition, b.receiveID(s, "a"))
		b.free(s)
	}
	require.Empty(b.t, b.dead(1)[0].UniqueKey)
	b.silent(s)
}

// doneKept: a key is taken while its message runs, and after a requeue, a release and a close.
func doneKept(b *bench) {
	s := b.open(1)
	b.put(locked("a"))
	for _, disposition := range []queue.Disposition{queue.Requeue, queue.Release} {
		d := b.receiveID(s, "a")
		b.duplicates([]bool{true}, locked("while it runs"))
		b.settle(s, disposition, d)
		b.duplicates([]bool{true}, locked("while it waits"))
	}
	b.receiveID(s, "a")
	b.close(s)
	b.duplicates([]bool{true}, locked("after a close"))
	s = b.open(1)
	b.settle(s, queue.Ack, b.receiveID(s, "a"))
	b.free(s)
	b.silent(s)
}

// doneDelayed: a key is taken from the publishing on, and while a message waits for its next
// attempt.
func doneDelayed(b *bench) {
	s := b.open(1)
	late := locked("a")
	late.NotBefore = time.Now().Add(300 * time.Millisecond)
	b.put(late)
	b.duplicates([]bool{true}, locked("before it is due"))
	b.requeue(s, b.receiveID(s, "a"), 300*time.Millisecond)
	b.duplicates([]bool{true}, locked("before the next attempt"))
	b.putOff(s, b.receiveID(s, "a"), 300*time.Millisecond)
	b.duplicates([]bool{true}, locked("while it is put off"))
	b.settle(s, queue.Ack, b.receiveID(s, "a"))
	b.free(s)
}

// doneLost: a key outlives the session that held its message.
func doneLost(b *bench) {
	s := b.open(1)
	b.put(locked("a"))
	b.receiveID(s, "a")
	b.Break()
	b.duplicates([]bool{true}, locked("b"))
	s = b.open(1)
	d := b.receiveID(s, "a")
	b.duplicates([]bool{true}, locked("c"))
	b.settle(s, queue.Ack, d)
	b.free(s)
}

// doneApart: keys of a window and those until done are not compared with each other.
func doneApart(b *bench) {
	window := locked("window")
	window.UniqueUntil = queue.UntilWindowEnds
	b.duplicates([]bool{false, false, true, true}, locked("done"), window, locked("x"), window)
	s := b.open(2)
	for _, d := range b.expect(s, []string{"done", "window"}) {
		b.settle(s, queue.Ack, d)
	}
	b.duplicates([]bool{true}, window)
	b.free(s)
}

// doneRedriven: a letter that is given back takes its key again. One whose key is taken stays, and
// the others are given back.
func doneRedriven(b *bench) {
	s := b.open(1)
	b.put(locked("a"))
	b.settle(s, queue.DeadLetter, b.receiveID(s, "a"))
	b.redrive(1, queue.LetterFilter{}, queue.RedriveOptions{})
	b.duplicates([]bool{true}, locked("while the letter runs"))
	b.settle(s, queue.DeadLetter, b.receiveID(s, "a"))
	b.die(s, "why", "", "plain")
	b.put(locked("b"))
	n, err := b.Letters.Redrive(b.ctx, queue.LetterFilter{}, queue.RedriveOptions{})
	require.ErrorIs(b.t, err, queue.ErrKeyTaken)
	require.ErrorContains(b.t, err, `"a"`)
	require.Equal(b.t, 1, n)
	require.Equal(b.t, "a", b.letters(1, queue.LetterFilter{})[0].ID)
	b.settle(s, queue.Ack, b.receiveID(s, "b"))
	b.settle(s, queue.Ack, b.receiveID(s, "plain"))
	b.redrive(1, queue.LetterFilter{}, queue.RedriveOptions{})
	b.settle(s, queue.Ack, b.receiveID(s, "a"))
	b.free(s)
}

// badUnique: an invalid request is an error that wraps ErrConfig.
func badUnique(b *bench) {
	s := b.open(1)
	for _, m := range []queue.Message{
		{ID: "a", UniqueUntil: queue.UntilDone}, {ID: "a", UniqueKey: "k", UniqueUntil: queue.UntilDone + 1},
	} {
		err := b.Publisher.Publish(b.ctx, m)
		require.ErrorIs(b.t, err, queue.ErrConfig)
		require.ErrorContains(b.t, err, "Message.UniqueUntil")
	}
	b.silent(s)
}
