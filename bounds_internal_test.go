package gentask

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
	"unsafe"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/gentask/gentask/internal/breaker"
	"github.com/gentask/gentask/queue"
)

// TestBounded: a name is no longer than maxName, is what it was if it had been none, and two names that differ still do.
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

// TestKeysAreBounded: what is remembered of the keys of a message is short, and keeps nothing of it alive.
func TestKeysAreBounded(t *testing.T) {
	long := func(m queue.Message) string { return string(m.Body) }
	part := func(m queue.Message) string { return m.ContentType[:10] }
	c, err := Config{Policy: Policy{
		Order: Order{Key: long}, Fairness: Fairness{Key: part}, KeyRate: KeyRate{Key: long},
		KeyBreaker: KeyBreaker{Key: part, Breaker: Breaker{FailureRate: 1}},
	}}.settings()
	require.NoError(t, err)
	m := queue.Message{Body: []byte(strings.Repeat("k", 32<<10)), ContentType: strings.Repeat("c", 32<<10)}
	keys := c.termsOf(&m)
	for _, key := range []string{keys.order, keys.fair, keys.rate, keys.circuit} {
		require.NotEmpty(t, key)
		require.LessOrEqual(t, len(key), maxName)
		require.NotSame(t, unsafe.StringData(m.ContentType), unsafe.StringData(key), "a part of the message")
	}
	require.Equal(t, keys.order, keys.rate)
}

// TestKeyRate_ManyKeys: a flood of keys that are all in use is remembered up to a bound, and takes the memory from those that need it least.
func TestKeyRate_ManyKeys(t *testing.T) {
	m, now := newLimiters(KeyRate{Key: KeyHeader("k"), Rate: Rate{PerSecond: 1e-6, Burst: 3}}), time.Unix(1_000_000, 0)
	for range 3 {
		m.count("used up", now)
	}
	for i := range 3 * mostKeys {
		m.count(strconv.Itoa(i), now)
		if i%1000 == 0 {
			require.LessOrEqual(t, len(m.by), mostKeys)
		}
	}
	require.LessOrEqual(t, len(m.by), mostKeys)
	ok, _ := m.ready("used up", now)
	require.False(t, ok, "a flood of other keys gives it no fresh burst")
}

// TestKeyBreaker_ManyKeys: the same, and Health lists some of them.
func TestKeyBreaker_ManyKeys(t *testing.T) {
	half := func() float64 { return 0.5 }
	f, now := newCircuits(keyBreaker(), half), time.Unix(1_000_000, 0)
	open := func(key string) {
		for range 3 {
			one, _ := f.end(key, f.begin(key), now, breaker.Bad)
			if one.State() == breaker.Open {
				f.down[key] = one
			}
		}
	}
	told := 0
	for i := range 3 * mostKeys {
		if len(f.by) >= f.sweep {
			told += len(f.forget(now))
		}
		open(fmt.Sprintf("%06d", i))
		f.end("closed"+strconv.Itoa(i), keyTicket{}, now, breaker.Good)
	}
	require.LessOrEqual(t, len(f.by), mostKeys+1)
	require.Len(t, f.down, 3*mostKeys-told, "each that is forgotten is told")
	health := f.health()
	require.Len(t, health, mostBreakers)
	require.True(t, slices.IsSortedFunc(health, func(a, b BreakerHealth) int { return strings.Compare(a.Key, b.Key) }))
}

// TestFirstKeys is its model: all of them sorted, and cut.
func TestFirstKeys(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		by := rapid.MapOfN(rapid.StringN(0, 4, 8), rapid.Bool(), 0, 3*mostBreakers).Draw(t, "keys")
		var all []string
		for key := range by {
			all = append(all, key)
		}
		slices.Sort(all)
		require.Equal(t, append([]string{}, all[:min(len(all), mostBreakers)]...), firstKeys(by))
	})
}

func TestShortCause(t *testing.T) {
	plain := errors.New("plain")
	require.Equal(t, plain, shortCause(plain))
	require.NoError(t, shortCause(nil))
	require.Less(t, len(shortCause(errors.New(strings.Repeat("é", 5000))).Error()), maxCause+10)
}

// TestSharedIDs: it counts what follows another message under the same id, and not what comes again.
func TestSharedIDs(t *testing.T) {
	var s sharedIDs
	require.False(t, s.note(identity{1, 1}))
	require.False(t, s.note(identity{1, 1}), "delivered again")
	require.True(t, s.note(identity{1, 2}))
	require.False(t, s.note(identity{1, 3}), "told once")
	require.False(t, s.note(identity{1 + sharedSlots, 4}), "another id in its place")
	require.Equal(t, 2, s.count)
}
