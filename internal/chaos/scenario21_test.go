package chaos

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask"
)

// TestScenario21_QueueDeleted: the queue is deleted under its consumer, when it is empty. The
// consumer reports that it does not consume, makes the queue again, and consumes. Nothing runs that
// was not published.
func TestScenario21_QueueDeleted(t *testing.T) {
	for _, kind := range []Kind{Quorum, Classic, Stream} {
		t.Run(string(kind), func(t *testing.T) {
			times := scaled(1, 5)
			at := shared(t, kind)
			tr := NewTrial(t, "queue deleted under its consumer", kind, at, at)
			tr.Publish(100)
			tr.Consume(1, gentask.Config{})
			for i := range times {
				tr.Eventually("the queue is empty", func() bool { return tr.open() == 0 && tr.empty(t.Context()) })
				tr.Bury()
				ctx, cancel := context.WithTimeout(t.Context(), tr.Limit)
				defer cancel()
				require.NoError(t, tr.direct.Delete(ctx))
				tr.Eventually("it has noticed", func() bool { return len(tr.Events(gentask.EventSessionLost)) == i+1 })
				tr.Publish(100)
				tr.Struck()
			}
			row := tr.Finish(1)
			require.LessOrEqual(t, row.Resumed, soon)
			require.Zero(t, row.Duplicates)
			require.NoError(t, table.Add(row))
		})
	}
}

// shared is where the shared broker of that kind is.
func shared(t *testing.T, kind Kind) string {
	t.Helper()
	if kind == Stream {
		return sharedStream(t).URL(0)
	}
	return sharedRabbit(t).URL(0)
}
