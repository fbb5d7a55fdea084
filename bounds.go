package gentask

import (
	"cmp"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/gentask/gentask/internal/breaker"
)

// mostKeys is how many keys a policy remembers at the most. Each costs some 300 bytes, and its name at most
// maxName: whoever sends messages with keys of his own can't have more of our memory than that.
const mostKeys = 50_000

// keyFrom returns what is remembered of a key that a user's function made: no more than maxName bytes, and
// not a part of something larger.
func keyFrom(made string) string {
	if len(made) <= maxName {
		return strings.Clone(made)
	}
	return bounded(made)
}

// sweepNext returns at how many keys they are looked at again.
func sweepNext(n int) int { return min(max(2*n, sweepAt), mostKeys) }

// evict makes room where all keys that are remembered have something to be remembered: half of them go, those
// first that have most of their burst again.
func (m *limiters) evict(now time.Time) {
	if len(m.by) < mostKeys {
		return
	}
	for _, key := range firstHalf(m.by, func(a, b limiter) int {
		return cmp.Compare(b.limiter.TokensAt(now), a.limiter.TokensAt(now))
	}) {
		delete(m.by, key)
	}
}

// evict does the same for breakers: those first that are closed, and then those that opened longest ago. It
// returns the keys of those that were not closed.
func (f *circuits) evict() (down []string) {
	if len(f.by) < mostKeys {
		return nil
	}
	closed := func(one *circuit) int {
		if one.State() == breaker.Closed {
			return 0
		}
		return 1
	}
	for _, key := range firstHalf(f.by, func(a, b *circuit) int {
		return cmp.Or(cmp.Compare(closed(a), closed(b)), a.Since().Compare(b.Since()))
	}) {
		if f.down[key] != nil {
			down = append(down, key)
		}
		delete(f.by, key)
		delete(f.down, key)
	}
	return down
}

// firstHalf returns half of the keys, those whose values come first, and of equal ones those that do by name.
func firstHalf[V any](by map[string]V, order func(a, b V) int) []string {
	keys := slices.Collect(maps.Keys(by))
	slices.SortFunc(keys, func(a, b string) int { return cmp.Or(order(by[a], by[b]), strings.Compare(a, b)) })
	return keys[:len(keys)/2]
}

// mostBreakers is how many breakers of keys Health lists.
const mostBreakers = 100

// firstKeys returns the first of the keys by name, mostBreakers at the most.
func firstKeys[V any](by map[string]V) []string {
	first := make([]string, 0, min(len(by), mostBreakers)+1)
	for key := range by {
		if len(first) == mostBreakers && key > first[mostBreakers-1] {
			continue
		}
		at, _ := slices.BinarySearch(first, key)
		first = slices.Insert(first, at, key)
		first = first[:min(len(first), mostBreakers)]
	}
	return first
}

// maxCause is the most bytes of a text that the breaker of a key keeps.
const maxCause = 1 << 10

// shortCause returns err, or the beginning of its text: there may be as many as there are keys.
func shortCause(err error) error {
	if err == nil || len(err.Error()) <= maxCause {
		return err
	}
	return errors.New(strings.ToValidUTF8(err.Error()[:maxCause], "") + "...")
}
