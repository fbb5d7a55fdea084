package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const fine = `goos: linux
BenchmarkKernel-2   100000   6652 ns/op   12703 cpu-ns/op   1556 B/op   10 allocs/op
BenchmarkPair-2     100000   9028 ns/op   14310 cpu-ns/op   2752 B/op   46 allocs/op
BenchmarkKernel-2   100000  99000 ns/op   13766 cpu-ns/op   1549 B/op   10 allocs/op
BenchmarkBlocked-2       1  3315838061 ns/op  4325 B/job  443454752 B/op  3829820 allocs/op
PASS
`

func TestTheBestRunCounts(t *testing.T) {
	var out strings.Builder
	require.NoError(t, check(strings.NewReader(fine), &out))
	require.Contains(t, out.String(), "0.74", "the ratio of the best runs")
}

func TestWhatIsDearerIsFound(t *testing.T) {
	for name, dearer := range map[string]*strings.Replacer{
		"allocations": strings.NewReplacer("10 allocs", "11 allocs"),
		"bytes":       strings.NewReplacer("1556 B", "2556 B", "1549 B", "2549 B"),
		"time":        strings.NewReplacer("6652 ns", "16652 ns"),
		"blocked":     strings.NewReplacer("4325 B/job", "7225 B/job"),
	} {
		t.Run(name, func(t *testing.T) {
			var out strings.Builder
			require.ErrorContains(t, check(strings.NewReader(dearer.Replace(fine)), &out), "1 of 4 limits exceeded")
		})
	}
}

func TestAMissingBenchmarkIsNoPass(t *testing.T) {
	for _, name := range []string{"Kernel", "Pair", "Blocked"} {
		var out strings.Builder
		input := strings.ReplaceAll(fine, "Benchmark"+name, "Was"+name)
		require.ErrorContains(t, check(strings.NewReader(input), &out), "no Benchmark"+name)
	}
}
