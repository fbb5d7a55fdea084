package queue_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/gentask/gentask/queue"
)

func TestKeysAndPrefixes(t *testing.T) {
	for _, key := range []string{"a", "A-1_b=2F", "a.b.c", strings.Repeat("k", 200), "="} {
		require.NoError(t, queue.CheckKey(key))
		require.NoError(t, queue.CheckPrefix(key))
	}
	for _, key := range []string{
		".", ".a", "a.", "a..b", "a b", "a*", ">", "a/b", "ä", "a\x00", strings.Repeat("k", 201),
	} {
		require.ErrorIs(t, queue.CheckKey(key), queue.ErrConfig, "%q", key)
		require.ErrorIs(t, queue.CheckPrefix(key), queue.ErrConfig, "%q", key)
	}
	require.ErrorIs(t, queue.CheckKey(""), queue.ErrConfig)
	require.NoError(t, queue.CheckPrefix(""))
}

func TestPrefixMatchesWholeParts(t *testing.T) {
	for _, c := range []struct {
		key, prefix string
		matches     bool
	}{
		{"a", "", true},
		{"a", "a", true},
		{"a.b", "a", true},
		{"a.b.c", "a.b", true},
		{"ab", "a", false},
		{"a-b", "a", false},
		{"a", "a.b", false},
		{"b.a", "a", false},
	} {
		require.Equal(t, c.matches, queue.HasPrefix(c.key, c.prefix), "%+v", c)
	}
}

func TestTopicsAndNames(t *testing.T) {
	for _, topic := range []string{"who", "who.is-there_1", strings.Repeat("t", 100)} {
		require.NoError(t, queue.CheckTopic(topic))
	}
	for _, topic := range []string{"", "Who", ".a", "a.", "a..b", "a b", "*", "a.>", strings.Repeat("t", 101)} {
		require.ErrorIs(t, queue.CheckTopic(topic), queue.ErrConfig, "%q", topic)
	}
	for _, name := range []string{"fleet", "fleet_1-a", strings.Repeat("n", 50)} {
		require.NoError(t, queue.CheckSeamName(name))
	}
	for _, name := range []string{"", "Fleet", "a.b", "a b", "*", strings.Repeat("n", 51)} {
		require.ErrorIs(t, queue.CheckSeamName(name), queue.ErrConfig, "%q", name)
	}
}

// Any text has a part of a key, and no two texts have the same.
func TestEncodeKeyIsValidAndUnique(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		one, other := rapid.StringN(-1, -1, 60).Draw(t, "one"), rapid.StringN(-1, -1, 60).Draw(t, "other")
		part := queue.EncodeKey(one)
		require.NotContains(t, part, ".")
		require.NoError(t, queue.CheckKey(part))
		require.Equal(t, one == other, part == queue.EncodeKey(other))
	})
	require.Equal(t, "a=2Eb=20=3D", queue.EncodeKey("a.b ="))
	require.Equal(t, "=", queue.EncodeKey(""))
}
