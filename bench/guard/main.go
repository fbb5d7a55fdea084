// Command guard reads what `go test -bench -benchmem` printed for the root package, the benchmarks
// Kernel, Pair and Blocked, each as often as one likes, and exits with status 1 if a job has become
// dearer than the stored limits. `make bench-check` runs it.
package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
)

func main() {
	if err := check(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "bench-check:", err)
		os.Exit(1)
	}
}

// check compares the best run of each benchmark with its limits: what else the machine does can
// only make a run dearer. It prints what it found.
func check(in io.Reader, out io.Writer) error {
	runs, err := read(in)
	if err != nil {
		return err
	}
	failed := 0
	for _, l := range limits() {
		v, err := l.value(runs)
		if err != nil {
			return err
		}
		verdict := "ok"
		if v > l.most {
			verdict = "TOO MUCH"
			failed++
		}
		fmt.Fprintf(out, "%-42s %10.2f  at most %10.2f  %s\n", l.name, v, l.most, verdict)
	}
	if failed > 0 {
		return fmt.Errorf("%d of %d limits exceeded", failed, len(limits()))
	}
	return nil
}

// limit is the most that something may be.
type limit struct {
	name  string
	most  float64
	value func(measured) (float64, error)
}

func limits() []limit {
	least := func(benchmark, unit string) func(measured) (float64, error) {
		return func(m measured) (float64, error) { return m.least(benchmark, unit) }
	}
	return []limit{
		{"kernel, allocations for each job", kernelAllocs, least("Kernel", "allocs/op")},
		{"kernel, bytes for each job", kernelBytes * (1 + bytesSlack), least("Kernel", "B/op")},
		{"kernel, time against the protoactor pair", timeRatio, timeAgainstPair},
		{"bytes for each blocked job", blockedBytes, least("Blocked", "B/job")},
	}
}

func timeAgainstPair(m measured) (float64, error) {
	kernel, err := m.least("Kernel", "ns/op")
	if err != nil {
		return 0, err
	}
	pair, err := m.least("Pair", "ns/op")
	return kernel / pair, err
}

// measured are the least values seen, by benchmark and unit.
type measured map[string]map[string]float64

func (m measured) least(benchmark, unit string) (float64, error) {
	v, ok := m[benchmark][unit]
	if !ok {
		return 0, fmt.Errorf("no Benchmark%s with %s in the input", benchmark, unit)
	}
	return v, nil
}

// read understands lines like "BenchmarkPair-2  100000  9028 ns/op  2752 B/op  46 allocs/op".
func read(in io.Reader) (measured, error) {
	m := measured{}
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) < 4 || !strings.HasPrefix(fields[0], "Benchmark") {
			continue
		}
		name, _, _ := strings.Cut(strings.TrimPrefix(fields[0], "Benchmark"), "-")
		if m[name] == nil {
			m[name] = map[string]float64{}
		}
		for i := 2; i+1 < len(fields); i += 2 {
			v, err := strconv.ParseFloat(fields[i], 64)
			if err != nil {
				return nil, fmt.Errorf("line %q: %w", lines.Text(), err)
			}
			if old, seen := m[name][fields[i+1]]; !seen || v < old {
				m[name][fields[i+1]] = v
			}
		}
	}
	return m, lines.Err()
}
