package queue_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/queue"
)

func TestParseCount(t *testing.T) {
	for text, want := range map[string]int{
		"0": 0, "7": 7, "-3": 0, strings.Repeat("9", 40): queue.MaxCount, "-" + strings.Repeat("9", 40): 0,
		"9223372036854775807": queue.MaxCount,
	} {
		n, ok := queue.ParseCount(text)
		require.True(t, ok, text)
		require.Equal(t, want, n, text)
	}
	for _, text := range []string{"", " 1", "1.5", "0x1", "many"} {
		n, ok := queue.ParseCount(text)
		require.False(t, ok, text)
		require.Zero(t, n, text)
	}
}

func TestUsedUp(t *testing.T) {
	n, found := queue.UsedUp(nil)
	require.Zero(t, n)
	require.False(t, found)
	require.Zero(t, testing.AllocsPerRun(100, func() { queue.UsedUp(map[string]string{}) }), "of each message")
	n, found = queue.UsedUp(map[string]string{queue.HeaderAttempts: "3"})
	require.Equal(t, 3, n)
	require.True(t, found)
}
