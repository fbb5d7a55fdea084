package queuetest

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/gentask/gentask/queue"
	"github.com/stretchr/testify/require"
)

// letterRedriven: a message that is given back is the original, for a first attempt, with its death
// in its history.
func letterRedriven(b *bench) {
	sent := queue.Message{
		ID: "poison", Body: []byte{0, 0xff, 1}, Headers: map[string]string{"tenant": "acme", "empty": ""},
		ContentType: "text/plain",
		Time:        time.Now().Add(-time.Hour).Truncate(time.Millisecond),
	}
	require.NoError(b.t, b.Publisher.Publish(b.ctx, sent))
	s := b.open(1)
	for life := range 3 {
		b.settle(s, queue.Requeue, b.receive(s))
		d := b.receive(s)
		require.Equal(b.t, 2, d.Attempt)
		settlement := queue.Settlement{
			Delivery: d, Disposition: queue.DeadLetter, Reason: "smtp: \xff bad",
			Evidence: &queue.Evidence{Stack: stackOfSend},
		}
		require.NoError(b.t, s.Settle(b.ctx, []queue.Settlement{settlement}))
		letter := b.letters(1, queue.LetterFilter{})[0]
		require.Equal(b.t, life+1, letter.Deaths)
		require.Len(b.t, letter.History, life)
		b.redrive(1, queue.LetterFilter{}, queue.RedriveOptions{})
		b.letters(0, queue.LetterFilter{})
		b.unchanged(sent, b.peek(s))
	}
	d := b.receive(s)
	history := queue.ReadLetter(d.Message).History
	require.Len(b.t, history, 3)
	require.Equal(b.t, queue.Fingerprint(stackOfSend), history[0].Fingerprint)
	require.Equal(b.t, 2, history[0].Attempts)
	require.Equal(b.t, "smtp:  bad", strings.ReplaceAll(history[0].Reason, "\ufffd", ""))
	require.False(b.t, history[1].DeadAt.Before(history[0].RedrivenAt.Add(-time.Second)))
	b.settle(s, queue.Ack, d)
	b.silent(s)
}

// peek returns the next delivery and releases it, which costs no attempt.
func (b *bench) peek(s queue.Session) *queue.Delivery {
	d := b.receive(s)
	b.settle(s, queue.Release, d)
	return d
}

// unchanged requires that d is sent, for its first attempt, without any trace of its death except
// the history.
func (b *bench) unchanged(sent queue.Message, d *queue.Delivery) {
	b.t.Helper()
	require.Equal(b.t, 1, d.Attempt)
	require.Equal(b.t, sent.ID, d.ID)
	require.Equal(b.t, sent.Body, d.Body)
	require.Equal(b.t, sent.ContentType, d.ContentType)
	require.True(b.t, sent.Time.Equal(d.Time), "time is %v, was %v", d.Time, sent.Time)
	require.Subset(b.t, d.Headers, sent.Headers)
	for _, name := range []string{
		queue.HeaderReason, queue.HeaderStack, queue.HeaderLog, queue.HeaderDeadAt, queue.HeaderQueue,
	} {
		require.NotContains(b.t, slices.Collect(maps.Keys(d.Headers)), name)
	}
}

// letterChosen: reason, fingerprint, id and limit select; the rest stays.
func letterChosen(b *bench) {
	s := b.open(1)
	b.die(s, "smtp: 550 no such user", stackOfSend, "a", "b")
	b.die(s, "smtp: 450 try later", stackOfSend2, "c")
	b.die(s, "json: bad", stackOfParse, "d")
	require.Equal(b.t, queue.Fingerprint(stackOfSend), queue.Fingerprint(stackOfSend2))
	for _, step := range []struct {
		filter queue.LetterFilter
		limit  int
		want   []string
		left   int
	}{
		{queue.LetterFilter{Reason: "no such thing"}, 0, nil, 4},
		{queue.LetterFilter{Fingerprint: queue.Fingerprint(stackOfParse)}, 0, []string{"d"}, 3},
		{queue.LetterFilter{Reason: "450"}, 0, []string{"c"}, 2},
		{
			queue.LetterFilter{Reason: "smtp", Match: func(l *queue.Letter) bool { return l.ID != "a" }},
			1,
			[]string{"b"},
			1,
		},
		{queue.LetterFilter{ID: "a", Fingerprint: queue.Fingerprint(stackOfSend)}, 5, []string{"a"}, 0},
	} {
		b.redrive(len(step.want), step.filter, queue.RedriveOptions{Limit: step.limit})
		for _, d := range b.expect(s, step.want) {
			b.settle(s, queue.Ack, d)
		}
		b.silent(s)
		b.letters(step.left, queue.LetterFilter{})
	}
}

// letterPaced: no more than the rate, the first at once.
func letterPaced(b *bench) {
	b.die(b.open(1), "why", "", names(6)...)
	start := time.Now()
	b.redrive(6, queue.LetterFilter{}, queue.RedriveOptions{PerSecond: 20})
	b.notBefore(start, 5*time.Second/20)
	require.Less(b.t, time.Since(start), arrival)
}

// letterOnce: a letter that dies again while letters are given back is not given back again by the
// same call.
func letterOnce(b *bench) {
	ids := names(20)
	s := b.open(20)
	b.die(s, "why", "", ids...)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range ids {
			d, err := s.Receive(b.ctx)
			if err != nil || s.Settle(b.ctx, []queue.Settlement{{
				Delivery: d, Disposition: queue.DeadLetter,
				Reason: "again",
			}}) != nil {
				return
			}
		}
	}()
	b.redrive(len(ids), queue.LetterFilter{}, queue.RedriveOptions{PerSecond: 200})
	<-done
	for _, letter := range b.letters(len(ids), queue.LetterFilter{}) {
		require.Equal(b.t, 2, letter.Deaths, letter.ID)
	}
	b.silent(s)
}

// letterShared: two operators give back the same letters while consumers work. Each letter comes
// once, and is counted once.
func letterShared(b *bench) {
	const letters = 100
	ids := names(letters)
	s := b.open(letters)
	b.bury(ids...)
	b.letters(letters, queue.LetterFilter{})
	type result struct {
		n   int
		err error
	}
	results := make(chan result, 2)
	for range 2 {
		go func() {
			n, err := b.Letters.Redrive(b.ctx, queue.LetterFilter{}, queue.RedriveOptions{})
			results <- result{n, err}
		}()
	}
	for _, d := range b.expect(s, ids) {
		b.settle(s, queue.Ack, d)
	}
	one, two := <-results, <-results
	require.NoError(b.t, one.err)
	require.NoError(b.t, two.err)
	require.Equal(b.t, letters, one.n+two.n)
	b.letters(0, queue.LetterFilter{})
	b.silent(s)
}
