package isolate

import (
	"sync"
	"time"
)

// relief lets another goroutine read on in a child while a long job occupies the one that has read
// it. Most jobs are short, and need no other goroutine.
//
// A timer for each job would wake a thread for each. This one runs on from job to job, so that a
// job that is short costs two locks.
type relief struct {
	read func() // reads on

	mu     sync.Mutex
	jobs   uint64 // that have begun
	busy   uint64 // the job that occupies the goroutine that reads; zero for none
	seen   uint64 // jobs when the timer was started last
	timer  *time.Timer
	active bool // the timer runs
}

// handOver is after how long another goroutine reads on, and half of the longest that it may take.
const handOver = time.Millisecond

// begin is called before a job, by the goroutine that reads. It returns the job's number.
func (r *relief) begin() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.jobs++
	r.busy = r.jobs
	if !r.active {
		r.start()
	}
	return r.jobs
}

// start starts the timer. The mutex is held.
func (r *relief) start() {
	r.active, r.seen = true, r.jobs
	if r.timer == nil {
		r.timer = time.AfterFunc(handOver, r.fire)
		return
	}
	r.timer.Reset(handOver)
}

// end is called after a job, and reports whether its goroutine shall read on.
func (r *relief) end(job uint64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.busy != job {
		return false
	}
	r.busy = 0
	return true
}

// fire reads on if the job that it saw the last time still occupies the reader.
func (r *relief) fire() {
	if r.takesOver() {
		r.read()
	}
}

func (r *relief) takesOver() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.active = false
	switch r.busy {
	case 0:
		return false
	case r.seen:
		r.busy = 0
		return true
	}
	r.start()
	return false
}
