package queue_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/queue"
)

var errOne, errTwo = errors.New("one"), errors.New("two")

// An error about many names a few, counts all, and lets errors.Is see every reason.
func TestErrorsAboutMany(t *testing.T) {
	settle := &queue.SettleError{Failed: []queue.SettleFailure{{1, errOne}, {2, errOne}, {3, errOne}, {4, errTwo}}}
	require.EqualError(t, settle, "queue: 4 not settled: delivery 1: one; delivery 2: one; delivery 3: one")
	require.ErrorIs(t, settle, errTwo)
	publish := &queue.PublishError{Failed: []queue.PublishFailure{{"a", errOne}, {"b", errTwo}}}
	require.EqualError(t, publish, `queue: 2 not confirmed: message "a": one; message "b": two`)
	require.ErrorIs(t, publish, errTwo)
}

func TestDispositionsHaveNames(t *testing.T) {
	names := map[queue.Disposition]string{
		queue.Ack: "ack", queue.Requeue: "requeue", queue.Release: "release", queue.DeadLetter: "dead letter",
		0: "disposition(0)",
	}
	for disposition, name := range names {
		require.Equal(t, name, disposition.String())
	}
}
