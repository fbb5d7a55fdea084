package queue_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/gentask/gentask/queue"
)

// TestBoundTime: any time becomes one that JSON can express, in the same order. One that it can
// express stays as it is.
func TestBoundTime(t *testing.T) {
	whenever := rapid.Custom(func(t *rapid.T) time.Time {
		return time.Unix(rapid.Int64Range(-1<<62, 1<<62).Draw(t, "seconds"), rapid.Int64Range(0, 999_999_999).Draw(t, "rest"))
	})
	rapid.Check(t, func(t *rapid.T) {
		a, b := whenever.Draw(t, "a"), whenever.Draw(t, "b")
		_, err := json.Marshal(queue.BoundTime(a))
		require.NoError(t, err)
		if a.Before(b) {
			require.False(t, queue.BoundTime(b).Before(queue.BoundTime(a)))
		}
		usual := time.Unix(rapid.Int64Range(0, 1<<33).Draw(t, "usual"), 1)
		require.True(t, usual.Equal(queue.BoundTime(usual)))
	})
	require.True(t, queue.BoundTime(time.Time{}).IsZero())
}
