package queuetest

import (
	"time"

	"github.com/gentask/gentask/queue"
	"github.com/stretchr/testify/require"
)

// letterCases: an operator's operations on dead letters.
func letterCases() []testCase {
	return []testCase{
		{"letters/show what is known", letterShown},
		{"letters/none", letterNone},
		{"letters/a loop may end early", letterLoop},
		{"letters/redrive starts again", letterRedriven},
		{"letters/redrive takes what fits", letterChosen},
		{"letters/redrive keeps its rate", letterPaced},
		{"letters/redrive takes each once", letterOnce},
		{"letters/two operators at once", letterShared},
		{"letters/purge takes what fits", letterPurged},
		{"letters/bad options are refused", letterRefused},
		{"letters/of strangers", letterForeign},
		{"letters/five thousand", letterMany},
		{"letters/in parts", letterParts},
	}
}

// letterNames returns the names of these cases.
func letterNames() []string {
	var all []string
	for _, tc := range letterCases() {
		all = append(all, tc.name)
	}
	return all
}

// The panics of two places, as a stack in a header.
const (
	stackOfSend = "runtime.gopanic\n\t/go/src/runtime/panic.go:1\n" +
		"main.send\n\t/src/main.go:12\nmain.run\n\t/src/main.go:3\n"
	stackOfSend2 = "goroutine 9 [running]:\npanic({0x1, 0x2})\n\t/panic.go:7 +0x1\n" +
		"main.send(0x1)\n\t/main.go:99 +0x1d\nmain.run()\n\t/main.go:3 +0x1\n"
	stackOfParse = "runtime.gopanic\n\t/go/src/runtime/panic.go:1\n" +
		"main.parse\n\t/src/main.go:12\nmain.run\n\t/src/main.go:3\n"
)

// die publishes a message for each of ids and dead-letters it in s, with a reason and a stack.
func (b *bench) die(s queue.Session, reason, stack string, ids ...string) {
	b.t.Helper()
	for _, id := range ids {
		b.publish(id)
		settlement := queue.Settlement{
			Delivery: b.receiveID(s, id), Disposition: queue.DeadLetter, Reason: reason,
			Evidence: &queue.Evidence{Stack: stack},
		}
		require.NoError(b.t, s.Settle(b.ctx, []queue.Settlement{settlement}))
	}
}

// letters waits until n letters match, and returns them.
func (b *bench) letters(n int, filter queue.LetterFilter) []queue.Letter {
	b.t.Helper()
	var all []queue.Letter
	came := b.poll(func() bool {
		all = nil
		for letter, err := range b.Letters.All(b.ctx, filter) {
			require.NoError(b.t, err)
			all = append(all, letter)
		}
		return len(all) == n
	})
	require.True(b.t, came, "want %d letters, got %v", n, lettersIDs(all))
	return all
}

// redrive gives letters back, and requires that their number is n.
func (b *bench) redrive(n int, filter queue.LetterFilter, opts queue.RedriveOptions) {
	b.t.Helper()
	got, err := b.Letters.Redrive(b.ctx, filter, opts)
	require.NoError(b.t, err)
	require.Equal(b.t, n, got, "letters given back")
}

func lettersIDs(all []queue.Letter) []string {
	ids := make([]string, len(all))
	for i := range all {
		ids[i] = all[i].ID
	}
	return ids
}

// letterShown: a letter is the message, with its queue, attempts, time and reason. Listing it
// changes nothing.
func letterShown(b *bench) {
	sent := queue.Message{
		ID: "poison", Body: []byte("skull"), Headers: map[string]string{"tenant": "acme"},
		ContentType: "text/plain",
	}
	require.NoError(b.t, b.Publisher.Publish(b.ctx, sent))
	s := b.open(1)
	b.settle(s, queue.Requeue, b.receive(s))
	settlement := queue.Settlement{
		Delivery: b.receive(s), Disposition: queue.DeadLetter, Reason: "smtp: bad address",
		Evidence: &queue.Evidence{Stack: stackOfSend},
	}
	require.NoError(b.t, s.Settle(b.ctx, []queue.Settlement{settlement}))
	b.die(s, "", "", "bare")
	for range 3 {
		all := b.letters(2, queue.LetterFilter{})
		require.ElementsMatch(b.t, []string{"poison", "bare"}, lettersIDs(all))
		letter := b.letters(1, queue.LetterFilter{ID: "poison"})[0]
		require.Equal(b.t, sent.Body, letter.Body)
		require.Equal(b.t, sent.ContentType, letter.ContentType)
		require.Subset(b.t, letter.Headers, sent.Headers)
		require.Equal(b.t, 2, letter.Attempts)
		require.Equal(b.t, "smtp: bad address", letter.Reason)
		require.Equal(b.t, stackOfSend, letter.Stack)
		require.Equal(b.t, queue.Fingerprint(stackOfSend), letter.Fingerprint)
		require.NotEmpty(b.t, letter.Queue)
		require.WithinDuration(b.t, time.Now(), letter.DeadAt, time.Minute)
		require.Equal(b.t, 1, letter.Deaths)
		require.Empty(b.t, letter.History)
	}
	bare := b.letters(1, queue.LetterFilter{ID: "bare"})[0]
	require.Empty(b.t, bare.Reason+bare.Stack+bare.Fingerprint)
	b.silent(s)
}

// letterNone: a queue that was never used has no letters, and one whose last letter was removed
// neither.
func letterNone(b *bench) {
	b.letters(0, queue.LetterFilter{})
	b.redrive(0, queue.LetterFilter{}, queue.RedriveOptions{})
	s := b.open(1)
	b.die(s, "why", "", "a")
	n, err := b.Letters.Purge(b.ctx, queue.LetterFilter{})
	require.NoError(b.t, err)
	require.Equal(b.t, 1, n)
	n, err = b.Letters.Purge(b.ctx, queue.LetterFilter{})
	require.NoError(b.t, err)
	require.Zero(b.t, n)
	b.letters(0, queue.LetterFilter{})
	b.silent(s)
}

// letterLoop: a loop takes no letter, and hides none after its end.
func letterLoop(b *bench) {
	ids := names(10)
	b.die(b.open(1), "why", "", ids...)
	for range 3 {
		for letter, err := range b.Letters.All(b.ctx, queue.LetterFilter{}) {
			require.NoError(b.t, err)
			require.Contains(b.t, ids, letter.ID)
			break
		}
	}
	require.ElementsMatch(b.t, ids, lettersIDs(b.letters(10, queue.LetterFilter{})))
}
