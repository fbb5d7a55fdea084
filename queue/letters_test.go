package queue_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/memory"
)

var errBroker = errors.New("broker: out of paper")

// kill publishes n messages and dead-letters them.
func kill(t *testing.T, q *memory.Queue, n int) {
	t.Helper()
	s, err := q.Open(t.Context(), queue.Options{Prefetch: 1})
	require.NoError(t, err)
	defer func() { require.NoError(t, s.Close(t.Context())) }()
	for i := range n {
		require.NoError(t, q.Publish(t.Context(), queue.Message{ID: fmt.Sprint(i)}))
		d, err := s.Receive(t.Context())
		require.NoError(t, err)
		require.NoError(t, s.Settle(t.Context(), []queue.Settlement{{
			Delivery: d, Disposition: queue.DeadLetter,
			Reason: "why",
		}}))
	}
}

// The rate is exact to the instant, the first letter goes at once, and no wait follows the last.
func TestRedriveKeepsItsRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := memory.New(memory.Config{})
		defer q.Close()
		kill(t, q, 100)
		start := time.Now()
		n, err := q.Letters().Redrive(t.Context(), queue.LetterFilter{}, queue.RedriveOptions{PerSecond: 0.1})
		require.NoError(t, err)
		require.Equal(t, 100, n)
		require.Equal(t, 99*10*time.Second, time.Since(start))
		require.Equal(t, 100, q.Stats().Ready)
	})
}

// A context that ends ends the wait for the next letter; what was given back is counted, and the
// rest stays.
func TestRedriveEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := memory.New(memory.Config{})
		defer q.Close()
		kill(t, q, 10)
		ctx, cancel := context.WithTimeout(t.Context(), 2500*time.Millisecond)
		defer cancel()
		n, err := q.Letters().Redrive(ctx, queue.LetterFilter{}, queue.RedriveOptions{PerSecond: 1})
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, 3, n)
		require.Len(t, q.DeadLetters(), 7)
		n, err = q.Letters().Redrive(ctx, queue.LetterFilter{}, queue.RedriveOptions{PerSecond: 1e-300})
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Zero(t, n)
	})
}

// A consumer that keeps failing can't keep a slow re-drive alive: letters that die meanwhile are
// left, and a made-up time of death changes nothing.
func TestRedriveEndsThoughLettersKeepComing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := memory.New(memory.Config{})
		defer q.Close()
		future := queue.Message{ID: "future", Headers: map[string]string{queue.HeaderDeadAt: "9000-01-01T00:00:00Z"}}
		box := &fakeBox{letters: []queue.Message{future}}
		for i := range 10 {
			box.letters = append(box.letters, queue.Message{ID: fmt.Sprint(i)})
		}
		box.onRedrive = func(m queue.Message) { // it dies again, and another one with it
			at := time.Now().UTC().Format(time.RFC3339Nano)
			m.Headers[queue.HeaderDeadAt] = at
			box.letters = append(box.letters, m, queue.Message{
				ID:      "new",
				Headers: map[string]string{queue.HeaderDeadAt: at},
			})
		}
		n, err := queue.NewLetters(box).Redrive(t.Context(), queue.LetterFilter{},
			queue.RedriveOptions{PerSecond: 0.01})
		require.NoError(t, err)
		require.GreaterOrEqual(t, n, 11)
		require.LessOrEqual(t, n, 12, "the one that died at once may be among them")
		require.Greater(t, box.opened, 1, "a walk is not kept for the whole time")
		require.Equal(t, box.opened, box.closed)
	})
}

// The first error ends the call, with the work that was done until then; the walk is closed in any
// case.
func TestLettersReturnTheFirstError(t *testing.T) {
	box := &fakeBox{letters: []queue.Message{{ID: "a"}, {ID: "b"}, {ID: "c"}}}
	box.fail = func(call string, m queue.Message) error {
		if m.ID == "b" && call != "next" {
			return errBroker
		}
		return nil
	}
	letters := queue.NewLetters(box)
	n, err := letters.Redrive(t.Context(), queue.LetterFilter{}, queue.RedriveOptions{})
	require.ErrorIs(t, err, errBroker)
	require.Equal(t, 1, n)
	n, err = letters.Purge(t.Context(), queue.LetterFilter{})
	require.ErrorIs(t, err, errBroker)
	require.Zero(t, n)
	box.fail = func(call string, _ queue.Message) error {
		if call == "close" {
			return errBroker
		}
		return nil
	}
	var ids []string
	for letter, err := range letters.All(t.Context(), queue.LetterFilter{}) {
		if err != nil {
			require.ErrorIs(t, err, errBroker)
		}
		ids = append(ids, letter.ID)
	}
	require.Equal(t, []string{"b", "c", ""}, ids)
	box.fail = func(string, queue.Message) error { return errBroker }
	for _, err := range letters.All(t.Context(), queue.LetterFilter{}) {
		require.ErrorIs(t, err, errBroker)
	}
	require.Equal(t, box.opened, box.closed)
}

// fakeBox is a broker whose walks continue with letters that come later, as those of RabbitMQ do,
// and that can fail.
type fakeBox struct {
	letters        []queue.Message
	onRedrive      func(m queue.Message)
	fail           func(call string, m queue.Message) error
	opened, closed int
}

func (b *fakeBox) failed(call string, m queue.Message) error {
	if b.fail == nil {
		return nil
	}
	return b.fail(call, m)
}

func (b *fakeBox) OpenLetters(context.Context) (queue.LetterWalk, error) {
	if err := b.failed("open", queue.Message{}); err != nil {
		return nil, err
	}
	b.opened++
	return &fakeWalk{box: b, at: -1}, nil
}

type fakeWalk struct {
	box *fakeBox
	at  int
}

func (w *fakeWalk) Next(context.Context) (queue.Message, error) {
	w.at++
	if w.at >= len(w.box.letters) {
		return queue.Message{}, io.EOF
	}
	m := w.box.letters[w.at]
	return m, w.box.failed("next", m)
}

func (w *fakeWalk) Redrive(_ context.Context, rewrite queue.Rewrite) (bool, error) {
	m := w.box.letters[w.at]
	if err := w.box.failed("redrive", m); err != nil {
		return false, err
	}
	w.box.letters = append(w.box.letters[:w.at:w.at], w.box.letters[w.at+1:]...)
	w.at--
	m.Headers = rewrite.Apply(m.Headers)
	if w.box.onRedrive != nil {
		w.box.onRedrive(m)
	}
	return true, nil
}

func (w *fakeWalk) Remove(context.Context) (bool, error) {
	if err := w.box.failed("remove", w.box.letters[w.at]); err != nil {
		return false, err
	}
	w.box.letters = append(w.box.letters[:w.at:w.at], w.box.letters[w.at+1:]...)
	w.at--
	return true, nil
}

func (w *fakeWalk) Close(context.Context) error {
	w.box.closed++
	return w.box.failed("close", queue.Message{})
}
