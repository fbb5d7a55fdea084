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
// docs/decisions/0031-flush-new-queues-at-once.md.
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
	log := mnesiaLog(t, r)
	require.NoError(t, e.Delete(t.Context()))
	require.NoError(t, e.Close())
	first := regexp.MustCompile(name + made).FindStringIndex(log)
	return first != nil && strings.LastIndex(log, name+".delay.0") > first[0]
}

// mnesiaLog returns the part of the broker's log of queue changes that is on the disk.
func mnesiaLog(t *testing.T, r *RabbitMQ) string {
	t.Helper()
	files, err := filepath.Glob(r.home.path("*/data/*/LATEST.LOG"))
	require.NoError(t, err)
	require.Len(t, files, 1)
	log, err := os.ReadFile(files[0])
	require.NoError(t, err)
	return string(log)
}
