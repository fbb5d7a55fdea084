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

// Rates of the profiles that are not free: one of so many contended locks, and a sample for each so many nanoseconds of waiting.
const (
	mutexFraction = 10
	blockRate     = 10_000
)

// profiled writes profiles of our side to dir after each trial, the last one stays: cpu of the trial alone, filling the queue included, and
// allocs, mutex and block of the process so far, in which the other side is found under names of its own. Times taken meanwhile are no
// results.
func profiled(dir string, c comparison) side {
	runtime.SetMutexProfileFraction(mutexFraction)
	runtime.SetBlockProfileRate(blockRate)
	name := strings.Map(func(r rune) rune {
		if strings.ContainsRune(" /,:", r) {
			return '-'
		}
		return r
	}, c.suite+"-"+c.name)
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
