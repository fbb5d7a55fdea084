package main

import (
	"runtime"
	"syscall"
	"time"

	"github.com/gentask/gentask/bench/result"
)

// trial is one turn of one side: what it is to do, and the clock around the part that counts.
type trial struct {
	jobs   int
	warmUp bool // it does not count, so there is time to check everything
	tally  *tally

	began  reading
	sample sample
}

// reading is what clocks and counters show at one moment.
type reading struct {
	wall   time.Time
	cpu    time.Duration
	bytes  uint64
	allocs uint64
}

// sample is what a trial took.
type sample struct {
	jobs   int
	wall   time.Duration
	cpu    time.Duration
	bytes  uint64
	allocs uint64
	held   float64 // bytes in use for each job in flight, where that is what is measured
}

// newTrial starts with a clean heap: what the other side left is not this one's business.
func newTrial(jobs int, warmUp bool) *trial {
	runtime.GC()
	return &trial{jobs: jobs, warmUp: warmUp, tally: newTally(jobs)}
}

// begin starts the clock.
func (t *trial) begin() { t.began = read() }

// end stops it. The work of a side before begin and after end is not measured.
func (t *trial) end() {
	now := read()
	t.sample = sample{
		jobs:   t.jobs,
		wall:   now.wall.Sub(t.began.wall),
		cpu:    now.cpu - t.began.cpu,
		bytes:  now.bytes - t.began.bytes,
		allocs: now.allocs - t.began.allocs,
		held:   t.sample.held,
	}
}

func read() reading {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u) // it fails for a bad argument only
	return reading{
		wall:   time.Now(),
		cpu:    time.Duration(u.Utime.Nano() + u.Stime.Nano()),
		bytes:  m.TotalAlloc,
		allocs: m.Mallocs,
	}
}

// in is the sample in a unit.
func (s sample) in(u result.Unit) float64 {
	n := float64(s.jobs)
	switch u {
	case result.Rate:
		return n / s.wall.Seconds()
	case result.Time:
		return s.wall.Seconds() * 1e6 / n
	case result.Processor:
		return s.cpu.Seconds() * 100_000 / n
	case result.Bytes:
		return float64(s.bytes) / n
	case result.Allocs:
		return float64(s.allocs) / n
	case result.Held:
		return s.held
	case result.Wall:
		return s.wall.Seconds()
	case result.Live, result.Mapped, result.Resident, result.Goroutines, result.Median, result.Slowest, result.Lost, result.Again,
		result.HeldEach, result.GoroutinesEach, result.Added, result.Replace, result.Longest: // not of a trial
	}
	panic("bench: no such unit: " + string(u))
}
