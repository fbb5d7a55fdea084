package rig

import "hash/fnv"

// Some reports whether a test of many cases tries the one of that name. Without the race detector
// it tries all of them, in `make sim-check`. With it each takes ten times as long, and a test tries
// about one of n.
func Some(name string, n uint32) bool {
	if !underRace {
		return true
	}
	h := fnv.New32a()
	_, _ = h.Write([]byte(name))
	return h.Sum32()%n == 0
}

// Seeds returns how many seeds a test tries: all without the race detector, in `make sim-check`,
// and an nth of them with it.
func Seeds(all, n uint64) uint64 {
	if underRace {
		return max(1, all/n)
	}
	return all
}
