package admission

import (
	"cmp"
	"maps"
	"slices"
	"strings"
)

const (
	// mostKeys is how many keys a gate remembers at the most. Each costs some 300 bytes, and its
	// name, so that no sender of messages can take more memory than that.
	mostKeys = 50_000

	// sweepAt is how many keys are remembered before some are forgotten.
	sweepAt = 64
)

// sweepNext returns at how many keys some are forgotten again. The number doubles, so that each key
// costs a constant share of the work.
func sweepNext(n int) int { return min(max(2*n, sweepAt), mostKeys) }

// firstHalf returns half of the keys: those whose values come first, and of equal values those that
// do by name.
func firstHalf[V any](by map[string]V, order func(a, b V) int) []string {
	keys := slices.Collect(maps.Keys(by))
	slices.SortFunc(keys, func(a, b string) int { return cmp.Or(order(by[a], by[b]), strings.Compare(a, b)) })
	return keys[:len(keys)/2]
}

// firstKeys returns the first keys by name, at most the given number.
func firstKeys[V any](by map[string]V, most int) []string {
	first := make([]string, 0, min(len(by), most)+1)
	for key := range by {
		if len(first) == most && key > first[most-1] {
			continue
		}
		at, _ := slices.BinarySearch(first, key)
		first = slices.Insert(first, at, key)
		first = first[:min(len(first), most)]
	}
	return first
}
