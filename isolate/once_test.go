package isolate_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/isolate"
	"github.com/gentask/gentask/queue"
)

// TestOnce_Environment: a job that no environment can hold fails. It is not given back for ever.
func TestOnce_Environment(t *testing.T) {
	cfg := gentask.Config{Retry: gentask.Retry{MaxAttempts: 1}}
	e := ends(t, shell("exit 0"), cfg, queue.Message{Headers: map[string]string{"large": strings.Repeat("x", 4<<20)}})
	require.Equal(t, queue.DeadLetter, e.Disposition)
	require.NotErrorIs(t, e.Reason, isolate.ErrStart)
	e = ends(t, shell("exit 0"), cfg, queue.Message{ID: "a\x00b", ContentType: "a\x00b", Headers: map[string]string{"a\x00b": "a\x00b"}})
	require.NoError(t, e.Reason)
}
