package chaos

import (
	"crypto/rand"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/queue"
)

// TestNewQueuesAreWrittenDown: when a message is confirmed, the broker's log goes on beyond the
// queue that was made for it. Its end may be missing in the log as long as it is the last: see
// docs/decisions/0031-flush-new-queues-at-once.md. A broker that has only Khepri syncs a whole
// change before it confirms it, and gets no further request.
func TestNewQueuesAreWrittenDown(t *testing.T) {
	r := sharedRabbit(t)
	for _, kind := range []Kind{Quorum, Classic} {
		for what, made := range map[string]string{"work": `[^.]`, "delay": `\.delay\.[1-9]`} {
			t.Run(string(kind)+"/"+what, func(t *testing.T) {
				written := false
				for tries := 3; tries > 0 && !written; tries-- { // again with another queue when the log was moved away just then
					written = writtenDown(t, r, kind, what, made)
				}
				require.True(t, written)
			})
		}
	}
}

// writtenDown makes a new queue, and reports whether the log goes on behind it.
func writtenDown(t *testing.T, r *RabbitMQ, kind Kind, what, made string) bool {
	t.Helper()
	name := "new-" + strings.ToLower(rand.Text()[:10])
	e, err := Open(kind, r.URL(0), name)
	require.NoError(t, err)
	m := queue.Message{ID: "1"}
	if what == "delay" {
		m.NotBefore = time.Now().Add(time.Minute)
	}
	require.NoError(t, e.Publish(t.Context(), m))
	log := lastChanges(t, r)
	require.NoError(t, e.Delete(t.Context()))
	require.NoError(t, e.Close())
	first := regexp.MustCompile(name + made).FindStringIndex(log)
	if !r.Before(4, 3) {
		other := strings.Contains(log, name+".delay.0")
		require.False(t, other, "asked for another queue")
		return first != nil
	}
	return first != nil && strings.LastIndex(log, name+".delay.0") > first[0]
}

// lastChanges returns the part of the broker's log of queue changes that is on the disk.
func lastChanges(t *testing.T, r *RabbitMQ) string {
	t.Helper()
	store := "*/data/*/LATEST.LOG" // Mnesia's
	if !r.Before(4, 3) {
		store = "*/data/*/coordination/*/*.wal" // Khepri's
	}
	files, err := filepath.Glob(r.home.path(store))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	var all strings.Builder
	for _, file := range files {
		log, err := os.ReadFile(file)
		require.NoError(t, err)
		all.Write(log)
	}
	return all.String()
}
