//go:build !linux

package isolate

import "time"

// residentMemory returns zero: it is not known.
func residentMemory(int) uint64 { return 0 }

// processorTime returns zero: it is not known.
func processorTime(int) time.Duration { return 0 }
