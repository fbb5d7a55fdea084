package gentask

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"
	"unsafe"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/gentask/gentask/queue"
)

// TestBounded: a name is no longer than maxName, is what it was if it had been none, and two names
// that differ still do.
func TestBounded(t *testing.T) {
	seen := map[string]string{}
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.OneOf(rapid.StringN(0, 80, 400), rapid.Custom(func(t *rapid.T) string {
			return strings.Repeat("é", rapid.IntRange(20, 40).Draw(t, "n")) + rapid.StringN(0, 3, 6).Draw(t, "end")
		})).Draw(t, "name")
		got := bounded(name)
		require.LessOrEqual(t, len(got), maxName)
		require.Equal(t, utf8.ValidString(name), utf8.ValidString(got))
		if len(name) <= maxName {
			require.Equal(t, name, got)
		} else {
			require.Equal(t, name[:8], got[:8], "its beginning can be read")
		}
		if other, known := seen[got]; known {
			require.Equal(t, other, name)
		}
		seen[got] = name
	})
}

// TestKeysAreBounded: what is remembered of the keys of a message is short, and keeps nothing of it
// alive.
func TestKeysAreBounded(t *testing.T) {
	long := func(m *queue.Message) string { return string(m.Body) }
	part := func(m *queue.Message) string { return m.ContentType[:10] }
	c, err := Config{Policy: Policy{
		Order: Order{Key: long}, Fairness: Fairness{Key: part}, KeyRate: KeyRate{Key: long},
		KeyBreaker: KeyBreaker{Key: part, Breaker: Breaker{FailureRate: 1}},
	}}.settings()
	require.NoError(t, err)
	m := queue.Message{Body: []byte(strings.Repeat("k", 32<<10)), ContentType: strings.Repeat("c", 32<<10)}
	keys := c.keysOf(&m, time.Now())
	for _, key := range []string{keys.Order, keys.Fair, keys.Rate, keys.Breaker} {
		require.NotEmpty(t, key)
		require.LessOrEqual(t, len(key), maxName)
		require.NotSame(t, unsafe.StringData(m.ContentType), unsafe.StringData(key), "a part of the message")
	}
	require.Equal(t, keys.Order, keys.Rate)
}

// TestSharedIDs: it counts what follows another message under the same id, and not what comes
// again.
func TestSharedIDs(t *testing.T) {
	var s sharedIDs
	require.False(t, s.note(identity{ID: 1, Rest: 1}))
	require.False(t, s.note(identity{ID: 1, Rest: 1}), "delivered again")
	require.True(t, s.note(identity{ID: 1, Rest: 2}))
	require.False(t, s.note(identity{ID: 1, Rest: 3}), "told once")
	require.False(t, s.note(identity{ID: 1 + sharedSlots, Rest: 4}), "another id in its place")
	require.Equal(t, 2, s.count)
}
