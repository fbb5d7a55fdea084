package queuetest

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/gentask/gentask/queue"
	"github.com/stretchr/testify/require"
)

// bury puts a message for each of ids into the dead-letter queue, as another program would.
func (b *bench) bury(ids ...string) {
	b.t.Helper()
	msgs := make([]queue.Message, len(ids))
	for i, id := range ids {
		msgs[i] = queue.Message{ID: id, Body: []byte(id)}
	}
	require.NoError(b.t, b.Bury(b.ctx, msgs...))
}

// letterPurged: matching letters are gone, and others that come meanwhile are not.
func letterPurged(b *bench) {
	s := b.open(1)
	bad, good := names(10), []string{"x0", "x1", "x2", "x3", "x4", "x5", "x6", "x7", "x8", "x9"}
	b.die(s, "old format", "", bad...)
	type result struct {
		n   int
		err error
	}
	results := make(chan result, 1)
	go func() {
		var all result
		for all.n < len(bad) && all.err == nil {
			var n int
			n, all.err = b.Letters.Purge(b.ctx, queue.LetterFilter{Reason: "old format"})
			all.n += n
		}
		results <- all
	}()
	b.die(s, "later", "", good...)
	purged := <-results
	require.NoError(b.t, purged.err)
	require.Equal(b.t, len(bad), purged.n)
	require.ElementsMatch(b.t, good, lettersIDs(b.letters(len(good), queue.LetterFilter{})))
	b.silent(s)
}

// letterRefused: invalid options are an error that names them, and nothing happens.
func letterRefused(b *bench) {
	b.die(b.open(1), "why", "", "a")
	for field, opts := range map[string]queue.RedriveOptions{
		"PerSecond is -1": {PerSecond: -1}, "PerSecond is NaN": {PerSecond: math.NaN()}, "Limit is -1": {Limit: -1},
	} {
		n, err := b.Letters.Redrive(b.ctx, queue.LetterFilter{}, opts)
		require.ErrorIs(b.t, err, queue.ErrConfig)
		require.ErrorContains(b.t, err, field)
		require.Zero(b.t, n)
	}
	b.letters(1, queue.LetterFilter{})
}

// foreign returns messages that any program may have put among the dead letters.
func foreign() map[string]queue.Message {
	many := map[string]string{}
	for i := range 500 {
		many["x"+strconv.Itoa(i)] = "y"
	}
	return map[string]queue.Message{
		"nothing": {},
		"no UTF-8": {Body: []byte("\xff\xfe"), Headers: map[string]string{
			"name": "\xc3\x28", queue.HeaderReason: "\xff", queue.HeaderStack: "\xff(",
		}},
		"counters": {Headers: map[string]string{
			queue.HeaderAttempts: strings.Repeat("9", 500),
			"x-delivery-count":   "9223372036854775807",
		}},
		"negative": {Headers: map[string]string{queue.HeaderAttempts: "-7"}},
		"no times": {Headers: map[string]string{queue.HeaderDeadAt: "yesterday", queue.HeaderHistory: "{"}},
		"a history that never was": {Headers: map[string]string{
			queue.HeaderHistory: `{"deaths":-5,"last":[{"attempts":-1,"dead_at":"0000-01-01T00:00:00Z"},` +
				`{"reason":"` + strings.Repeat("r", 5000) + `"}]}`,
		}},
		"a huge history": {Headers: map[string]string{queue.HeaderHistory: `{"last":[` + strings.Repeat(`{},`, 10000) +
			`{}]}`}},
		"from the future": {Headers: map[string]string{queue.HeaderDeadAt: "9999-12-31T23:59:59-23:59"}},
		"many headers":    {Headers: many},
	}
}

// letterForeign: every message among the dead letters can be listed, given back for a first
// attempt, and purged.
func letterForeign(b *bench) {
	all := foreign()
	s := b.open(len(all))
	for name, m := range all {
		m.ID = name
		require.NoError(b.t, b.Bury(b.ctx, m))
	}
	require.NoError(b.t, b.Bury(b.ctx, queue.Message{Body: []byte("no id")}))
	for _, letter := range b.letters(len(all)+1, queue.LetterFilter{}) {
		require.GreaterOrEqual(b.t, letter.Attempts, 0)
		require.Positive(b.t, letter.Deaths)
		require.LessOrEqual(b.t, len(letter.History), queue.MaxHistory)
	}
	known := func(l *queue.Letter) bool { _, found := all[l.ID]; return found }
	b.redrive(len(all), queue.LetterFilter{Match: known}, queue.RedriveOptions{})
	for _, d := range b.take(s, len(all)) {
		sent, found := all[d.ID]
		require.True(b.t, found, d.ID)
		require.Equal(b.t, 1, d.Attempt, d.ID)
		require.Equal(b.t, string(sent.Body), string(d.Body))
		for name, value := range sent.Headers {
			if !strings.HasPrefix(name, "gentask-") && name != "x-delivery-count" {
				require.Equal(b.t, value, d.Headers[name], d.ID)
			}
		}
		b.settle(s, queue.Ack, d)
	}
	b.redrive(1, queue.LetterFilter{}, queue.RedriveOptions{})
	require.Equal(b.t, "no id", string(b.receive(s).Body))
	b.letters(0, queue.LetterFilter{})
}

// letterMany: any number of letters can be listed, and removed.
func letterMany(b *bench) {
	const letters = 5000
	b.open(1)
	ids := make([]string, letters)
	for i := range ids {
		ids[i] = fmt.Sprintf("m%04d", i)
	}
	b.bury(ids...)
	seen := map[string]int{}
	for letter, err := range b.Letters.All(b.ctx, queue.LetterFilter{}) {
		require.NoError(b.t, err)
		seen[letter.ID]++
	}
	require.Len(b.t, seen, letters)
	n, err := b.Letters.Purge(b.ctx, queue.LetterFilter{Match: func(l *queue.Letter) bool { return l.ID >= "m4000" }})
	require.NoError(b.t, err)
	require.Equal(b.t, 1000, n)
	b.redrive(100, queue.LetterFilter{}, queue.RedriveOptions{Limit: 100})
}
