package isolate

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// TestRelief: whatever jobs there are, exactly one goroutine reads, or will read after a short job,
// and no job keeps others from being read for more than twice handOver.
func TestRelief(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		synctest.Test(t, func(t *testing.T) {
			jobs := rapid.SliceOf(rapid.IntRange(0, 4*int(handOver))).Draw(rt, "durations")
			gaps := rapid.SliceOfN(rapid.IntRange(0, 4*int(handOver)), len(jobs), len(jobs)).Draw(rt, "gaps")
			d := &desk{t: t, jobs: make(chan time.Duration)}
			d.relief.read = d.read
			go d.read()
			for i, duration := range jobs {
				time.Sleep(time.Duration(gaps[i]))
				began := time.Now()
				d.jobs <- time.Duration(duration)
				require.LessOrEqual(t, time.Since(began), 2*handOver, "job %d of %v", i, jobs)
			}
			close(d.jobs)
			time.Sleep(10 * handOver) // jobs that still run, and the timer
			require.EqualValues(t, 1, d.ended.Load(), "goroutines that have read the end")
			require.EqualValues(t, len(jobs), d.done.Load())
		})
	})
}

// desk does jobs as a child does.
type desk struct {
	t       *testing.T
	relief  relief
	jobs    chan time.Duration
	readers atomic.Int64
	done    atomic.Int64
	ended   atomic.Int64
}

func (d *desk) read() {
	for {
		assert.EqualValues(d.t, 1, d.readers.Add(1))
		duration, more := <-d.jobs
		d.readers.Add(-1)
		if !more {
			d.ended.Add(1)
			return
		}
		job := d.relief.begin()
		time.Sleep(duration)
		d.done.Add(1)
		if !d.relief.end(job) {
			return
		}
	}
}
