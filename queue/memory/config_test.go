package memory

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/queue"
)

// A Config that makes no sense is an error of every call of the queue, and each field is named.
func TestBadConfigIsNamed(t *testing.T) {
	q := New(Config{Unique: -2, Faults: Faults{
		LoseSession: Rate(1.5), Duplicate: Rate(math.NaN()), RefuseOpen: Times(-2), MaxBody: -1, SlowSettle: -time.Second,
	}})
	_, err := q.Open(t.Context(), queue.Options{})
	fields := []string{
		"Config.Unique is -2ns", "Faults.LoseSession.Rate is 1.5", "Faults.Duplicate.Rate is NaN", "Faults.RefuseOpen.Times is -2",
		"Faults.MaxBody is -1", "Faults.SlowSettle is -1s",
	}
	for _, field := range append(fields, "Options.Prefetch is 0") {
		require.ErrorContains(t, err, field)
	}
	require.ErrorIs(t, err, queue.ErrConfig)
	var failed *queue.PublishError
	require.ErrorAs(t, q.Publish(t.Context(), queue.Message{}), &failed)
	for _, field := range fields {
		require.ErrorContains(t, failed, field)
	}
}
