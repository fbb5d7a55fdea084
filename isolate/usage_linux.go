package isolate

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"time"
)

// residentMemory returns how many bytes a process has in main memory; zero if it is gone.
func residentMemory(pid int) uint64 {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		return 0
	}
	fields := bytes.Fields(data)
	if len(fields) < 2 {
		return 0
	}
	pages, _ := strconv.ParseUint(string(fields[1]), 10, 64) // zero for none
	return pages * uint64(os.Getpagesize())
}

// clockTick is the unit of the times in /proc: USER_HZ, which is 100 on every platform of Go.
const clockTick = 10 * time.Millisecond

// processorTime returns how much time of a processor a process, and those that it has waited for,
// have used; zero if it is gone.
func processorTime(pid int) time.Duration {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	data = data[bytes.LastIndexByte(data, ')')+1:] // the name may have spaces
	fields := bytes.Fields(data)
	var ticks uint64
	for i := 11; i < 15 && i < len(fields); i++ { // utime, stime, cutime, cstime
		n, _ := strconv.ParseUint(string(fields[i]), 10, 64)
		ticks += n
	}
	return time.Duration(ticks) * clockTick
}
