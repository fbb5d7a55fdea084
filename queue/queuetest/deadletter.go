package queuetest

import (
	"strconv"
	"strings"
	"time"

	"github.com/gentask/gentask/queue"
	"github.com/stretchr/testify/require"
)

// deadLetterCases: messages are given up.
func deadLetterCases() []testCase {
	return []testCase{
		{"dead letter/keeps the message and why", deadLetterKeeps},
		{"dead letter/without reason and stack", deadLetterBare},
		{"dead letter/long reason and stack are cut", deadLetterCuts},
		{"dead letter/is not delivered again", deadLetterStays},
		{"dead letter/runs again when it is published again", deadLetterAgain},
	}
}

// deadLetterKeeps: the dead letter is the original, with its queue, attempts, time and reason.
func deadLetterKeeps(b *bench) {
	const reason, stack = "smtp: \"bad\" address: Zürich",
		"goroutine 7 [running]:\nmain.send(0x1)\n\t/src/main.go:12 +0x1d\n"
	const log = "time=2026-01-02 level=INFO msg=\"dial Zürich\"\nlevel=WARN msg=busy"
	sent := queue.Message{
		ID: "poison", Body: []byte("skull"), Headers: map[string]string{"tenant": "acme"},
		ContentType: "text/plain",
	}
	require.NoError(b.t, b.Publisher.Publish(b.ctx, sent))
	s := b.open(1)
	b.settle(s, queue.Requeue, b.receive(s))
	settlement := queue.Settlement{
		Delivery: b.receive(s), Disposition: queue.DeadLetter, Reason: reason,
		Evidence: &queue.Evidence{Stack: stack, Log: log},
	}
	require.NoError(b.t, s.Settle(b.ctx, []queue.Settlement{settlement}))

	letter := b.dead(1)[0]
	require.Equal(b.t, sent.ID, letter.ID)
	require.Equal(b.t, sent.Body, letter.Body)
	require.Equal(b.t, sent.ContentType, letter.ContentType)
	require.Subset(b.t, letter.Headers, sent.Headers)
	require.Equal(b.t, reason, letter.Headers[queue.HeaderReason])
	require.Equal(b.t, stack, letter.Headers[queue.HeaderStack])
	require.Equal(b.t, log, letter.Headers[queue.HeaderLog])
	require.Equal(b.t, strconv.Itoa(2), letter.Headers[queue.HeaderAttempts])
	require.NotEmpty(b.t, letter.Headers[queue.HeaderQueue])
	at, err := time.Parse(time.RFC3339Nano, letter.Headers[queue.HeaderDeadAt])
	require.NoError(b.t, err)
	require.WithinDuration(b.t, time.Now(), at, time.Minute)
}

// deadLetterBare: reason and stack are optional.
func deadLetterBare(b *bench) {
	require.NoError(b.t, b.Publisher.Publish(b.ctx, queue.Message{}))
	s := b.open(1)
	d := b.receive(s)
	b.settle(s, queue.DeadLetter, d)
	letter := b.dead(1)[0]
	require.Equal(b.t, d.ID, letter.ID)
	require.Empty(b.t, letter.Body)
	require.Empty(b.t, letter.Headers[queue.HeaderReason])
	require.Empty(b.t, letter.Headers[queue.HeaderStack])
	require.NotContains(b.t, letter.Headers, queue.HeaderLog)
}

// deadLetterCuts: reason and stack keep their first bytes, up to their maximum.
func deadLetterCuts(b *bench) {
	reason, stack := strings.Repeat("reason ", queue.MaxReason), strings.Repeat("frame ", queue.MaxStack)
	b.publish("a")
	s := b.open(1)
	settlement := queue.Settlement{
		Delivery: b.receive(s), Disposition: queue.DeadLetter, Reason: reason, Evidence: &queue.Evidence{Stack: stack},
	}
	require.NoError(b.t, s.Settle(b.ctx, []queue.Settlement{settlement}))
	letter := b.dead(1)[0]
	require.Equal(b.t, reason[:queue.MaxReason], letter.Headers[queue.HeaderReason])
	require.Equal(b.t, stack[:queue.MaxStack], letter.Headers[queue.HeaderStack])
}

// deadLetterStays: a dead letter has left the queue, for this session and the next.
func deadLetterStays(b *bench) {
	b.publish("a", "b")
	s := b.open(2)
	ds := b.take(s, 2)
	b.settle(s, queue.DeadLetter, ds...)
	b.silent(s)
	b.close(s)
	b.empty()
	var ids []string
	for _, letter := range b.dead(2) {
		ids = append(ids, letter.ID)
	}
	require.ElementsMatch(b.t, []string{"a", "b"}, ids)
}

// deadLetterAgain: a dead letter that is published once more, without its attempts, starts with the
// first attempt; with them, it continues.
func deadLetterAgain(b *bench) {
	s := b.open(1)
	b.publish("a")
	b.settle(s, queue.DeadLetter, b.receive(s))
	letter := b.dead(1)[0]
	require.NoError(b.t, b.Publisher.Publish(b.ctx, letter))
	d := b.receive(s)
	require.Equal(b.t, 2, d.Attempt)
	b.settle(s, queue.DeadLetter, d)
	letter = b.dead(2)[1]
	delete(letter.Headers, queue.HeaderAttempts)
	require.NoError(b.t, b.Publisher.Publish(b.ctx, letter))
	d = b.receive(s)
	require.Equal(b.t, "a", d.ID)
	require.Equal(b.t, 1, d.Attempt)
	require.Equal(b.t, []byte("a"), d.Body)
}
