package dashboard_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/dashboard"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/memory"
)

// big is a queue in which a million messages wait.
type big struct{ *memory.Queue }

func (q big) Inspect(ctx context.Context) (queue.Stats, error) {
	s, err := q.Queue.Inspect(ctx)
	s.Ready = 1_000_000
	return s, err
}

// TestBigQueue: with a million messages and 5,000 letters, the first page comes within a tenth of a
// second, the first list of letters within its time, and none reads more than 1,000 letters.
func TestBigQueue(t *testing.T) {
	q := memory.New(memory.Config{Name: "big"})
	defer q.Close()
	msgs := make([]queue.Message, 5000)
	for i := range msgs {
		msgs[i].Body = []byte(strings.Repeat("x", 200))
	}
	bury(t, q, "boom", "", msgs...)
	read := 0
	w := newWorld(t, "emails", func(c *dashboard.Config) {
		c.Queues = append(c.Queues, big{q})
		c.Redact = func(_ string, body []byte, headers map[string]string) ([]byte, map[string]string) {
			read++
			return body, headers
		}
	})
	require.Less(t, quickest(w, big{q}), 100*time.Millisecond*slow)
	began := time.Now()
	page := w.get("/letters?queue=big")
	require.Less(t, time.Since(began), 2*time.Second)
	require.Contains(t, page, "5,000 in the queue")
	require.LessOrEqual(t, read, 1000)
	before := read
	w.get("/letters?queue=big&skip=200")
	require.Equal(t, before, read, "what was read is shown again")
}

// quickest returns the shortest of a few first looks at a new dashboard that show how much is in
// the queue: the machine may be busy, and then a page comes without.
func quickest(w *world, q dashboard.Queue) time.Duration {
	w.Helper()
	best := time.Hour
	for range 10 {
		d, err := dashboard.New(w.node, dashboard.Config{
			Queues: []dashboard.Queue{q}, Access: func(*http.Request) dashboard.Access { return dashboard.AccessRead },
		})
		require.NoError(w, err)
		look := &world{T: w.T, Dashboard: d}
		began := time.Now()
		page := look.get("/queue?queue=big")
		if took := time.Since(began); strings.Contains(page, "1,000,000") && strings.Contains(page, "5,000") {
			best = min(best, took)
		}
		require.NoError(w, d.Close())
	}
	return best
}
