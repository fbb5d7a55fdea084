package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"strings"
)

// Rates of the profiles that are not free: one of so many contended locks, and a sample for each so
// many nanoseconds of waiting.
const (
	mutexFraction = 10
	blockRate     = 10_000
)

// profiled writes profiles of our side to dir after each trial; the last one stays. The cpu profile
// is of the trial alone, filling the queue included. The allocs, mutex and block profiles are of
// the process so far, and have the other side under names of its own. Times taken meanwhile are no
// results.
func profiled(dir string, c comparison) side {
	runtime.SetMutexProfileFraction(mutexFraction)
	runtime.SetBlockProfileRate(blockRate)
	name := fileName(c.suite, c.name)
	return func(ctx context.Context, t *trial) error {
		cpu, err := os.Create(filepath.Join(dir, name+".cpu.pprof"))
		if err != nil {
			return err
		}
		if err := pprof.StartCPUProfile(cpu); err != nil {
			return errors.Join(err, cpu.Close())
		}
		err = c.ours(ctx, t)
		pprof.StopCPUProfile()
		return errors.Join(err, cpu.Close(), writeProfiles(dir, name))
	}
}

// fileName is what the profiles of a case are called.
func fileName(suite, name string) string {
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune(" /,:", r) {
			return '-'
		}
		return r
	}, suite+"-"+name)
}

// heaps are the heap profiles of a long run, the early one to be subtracted from the late one. An
// empty directory is for none.
type heaps struct {
	dir   string
	name  string
	early error // of writing it; errEarly if it has not been tried
}

var errEarly = errors.New("no early heap profile: the run was too short")

func (r *runner) heaps(suite, name string) *heaps {
	return &heaps{dir: r.profiles, name: fileName(suite, name), early: errEarly}
}

// from makes look write the early profile as soon as two fifths of the jobs are done.
func (h *heaps) from(t *tally, look func() []float64) func() []float64 {
	if h.dir == "" {
		return look
	}
	return func() []float64 {
		if errors.Is(h.early, errEarly) && t.done() >= int64(t.jobs)*2/5 {
			h.early = writeHeap(h.dir, h.name+".early")
		}
		return look()
	}
}

// end writes the late profile.
func (h *heaps) end() error {
	if h.dir == "" {
		return nil
	}
	return errors.Join(h.early, writeHeap(h.dir, h.name+".late"))
}

// writeHeap writes what the heap holds after a collection.
func writeHeap(dir, name string) error {
	f, err := os.Create(filepath.Join(dir, name+".heap.pprof"))
	if err != nil {
		return err
	}
	runtime.GC()
	return errors.Join(pprof.Lookup("heap").WriteTo(f, 0), f.Close())
}

func writeProfiles(dir, name string) error {
	for _, kind := range []string{"allocs", "mutex", "block"} {
		f, err := os.Create(filepath.Join(dir, fmt.Sprintf("%s.%s.pprof", name, kind)))
		if err != nil {
			return err
		}
		if err := errors.Join(pprof.Lookup(kind).WriteTo(f, 0), f.Close()); err != nil {
			return err
		}
	}
	return nil
}
