package actor

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestInboxIsAQueue(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var q inbox
		var model []any
		t.Repeat(map[string]func(*rapid.T){
			"push": func(t *rapid.T) {
				msg := rapid.OneOf(rapid.Int().AsAny(), rapid.Just[any](nil)).Draw(t, "msg")
				q.push(msg)
				model = append(model, msg)
			},
			"pop": func(t *rapid.T) {
				msg, ok := q.pop()
				require.Equal(t, len(model) > 0, ok)
				if ok {
					require.Equal(t, model[0], msg)
					model = model[1:]
				}
			},
			"": func(t *rapid.T) { require.Equal(t, len(model), q.len()) },
		})
	})
}

func TestInboxKeepsNothingThatWasPopped(t *testing.T) {
	var q inbox
	for i := range 2 * maxIdleRing {
		q.push(i)
	}
	for range 2*maxIdleRing - 1 {
		q.pop()
	}
	last := q.ring
	q.pop()
	require.Equal(t, [2]any{}, q.few)
	require.Nil(t, q.ring, "a burst is not paid for ever")
	for _, msg := range last {
		require.Nil(t, msg)
	}
}

func TestInboxTakesTwoWithoutAllocating(t *testing.T) {
	var q inbox
	var msg any = "message"
	require.Zero(t, testing.AllocsPerRun(100, func() {
		q.push(msg)
		q.push(msg)
		q.pop()
		q.pop()
	}))
}
