package process

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestInboxIsAQueue(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var q Inbox
		var model []any
		t.Repeat(map[string]func(*rapid.T){
			"push": func(t *rapid.T) {
				msg := rapid.OneOf(rapid.Int().AsAny(), rapid.Just[any](nil)).Draw(t, "msg")
				q.Push(msg)
				model = append(model, msg)
			},
			"pop": func(t *rapid.T) {
				msg, ok := q.Pop()
				require.Equal(t, len(model) > 0, ok)
				if ok {
					require.Equal(t, model[0], msg)
					model = model[1:]
				}
			},
			"": func(t *rapid.T) { require.Equal(t, len(model), q.Len()) },
		})
	})
}

func TestInboxKeepsNothingThatWasPopped(t *testing.T) {
	var q Inbox
	for i := range 2 * maxIdleRing {
		q.Push(i)
	}
	for range 2*maxIdleRing - 1 {
		q.Pop()
	}
	last := q.ring
	q.Pop()
	require.Equal(t, [2]any{}, q.few)
	require.Nil(t, q.ring, "a burst is not paid for ever")
	for _, msg := range last {
		require.Nil(t, msg)
	}
}

func TestInboxTakesTwoWithoutAllocating(t *testing.T) {
	var q Inbox
	var msg any = "message"
	require.Zero(t, testing.AllocsPerRun(100, func() {
		q.Push(msg)
		q.Push(msg)
		q.Pop()
		q.Pop()
	}))
}
