// Package result has the results of the benchmarks: one line for each figure that is compared, on
// the wire as JSON.
package result

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// Line is one comparison in one unit: medians of both sides, and the ratio ours/theirs pair by
// pair. For a run that is compared with itself, ours is its last part and theirs an early one.
// RatioMin and RatioMax are those of all parts after the early one.
type Line struct {
	Suite    string   `json:"suite"`
	Case     string   `json:"case"`
	Peer     string   `json:"peer"`
	Unit     Unit     `json:"unit"`
	Ours     float64  `json:"ours"`
	Theirs   float64  `json:"theirs"`
	RatioMin float64  `json:"ratio_min"`
	Ratio    float64  `json:"ratio"`
	RatioMax float64  `json:"ratio_max"`
	Target   *float64 `json:"target"` // nil: for the record only, and OK
	OK       bool     `json:"ok"`
	Over     *Series  `json:"over,omitempty"` // nil: not watched over time
}

// Series is a figure over time, from the beginning of a run.
type Series struct {
	Every  float64   `json:"every"` // seconds between two values
	Values []float64 `json:"values"`
}

// Unit is what is compared.
type Unit string

// The units. More is better of Rate only.
const (
	Rate      Unit = "jobs/s"
	Time      Unit = "us/job"
	Processor Unit = "cpu-s/100k jobs" // processor time of this process, of all its threads
	Bytes     Unit = "B/job"           // allocated
	Allocs    Unit = "allocs/job"
	Held      Unit = "B/job in flight" // heap and stacks in use
	Wall      Unit = "s"

	Live       Unit = "MiB live heap" // what the last collection found in use
	Mapped     Unit = "MiB in use"    // all that the Go runtime has from the system and has not given back
	Resident   Unit = "MiB resident"  // of the process, as the system counts it
	Goroutines Unit = "goroutines"
	Median     Unit = "us to start, median" // from publishing to the first run
	Slowest    Unit = "us to start, p99"
	Lost       Unit = "jobs lost"
	Again      Unit = "runs too many" // a job that had run to its end ran once more

	Added   Unit = "us more, median" // from publishing to the end, one job at a time
	Replace Unit = "ms, median"      // from the death of a child to the end of the next job
	Longest Unit = "ms, the longest"

	HeldEach       Unit = "B/consumer" // heap and stacks in use
	GoroutinesEach Unit = "goroutines/consumer"
)

// Meets reports whether ratio reaches target: at least, where more is better, else at most.
func (u Unit) Meets(ratio, target float64) bool {
	if u == Rate {
		return ratio >= target
	}
	return ratio <= target
}

// Figure returns v with three digits or more.
func Figure(v float64) string {
	switch {
	case v >= 100:
		return fmt.Sprintf("%.0f", v)
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.2f", v)
}

// Read returns the lines of r, one JSON object each.
func Read(r io.Reader) ([]Line, error) {
	var lines []Line
	for d := json.NewDecoder(r); ; {
		var l Line
		err := d.Decode(&l)
		if errors.Is(err, io.EOF) {
			return lines, nil
		}
		if err != nil {
			return nil, fmt.Errorf("result: line %d: %w", len(lines)+1, err)
		}
		lines = append(lines, l)
	}
}
