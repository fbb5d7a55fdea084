package rig

import (
	"context"
	"maps"
	"slices"
	"sync"

	"github.com/gentask/gentask"
)

// Runs counts what ran on one node. It is safe for concurrent use.
type Runs struct {
	mu       sync.Mutex
	byID     map[string]int
	active   map[string]int
	now, top int
	overlaps map[string]bool
}

// NewRuns returns an empty count.
func NewRuns() *Runs {
	return &Runs{byID: map[string]int{}, active: map[string]int{}, overlaps: map[string]bool{}}
}

// Track makes a Run of f that is counted in runs, by the id of its message.
func Track[J, R any](runs *Runs, f func(context.Context, J) (R, error)) func(context.Context, J) (R, error) {
	return func(ctx context.Context, payload J) (R, error) {
		job, _ := gentask.FromContext(ctx)
		defer runs.enter(job.ID())()
		return f(ctx, payload)
	}
}

func (r *Runs) enter(id string) (leave func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.byID[id]++
	r.active[id]++
	r.now++
	r.top = max(r.top, r.now)
	if r.active[id] > 1 {
		r.overlaps[id] = true
	}
	return func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.active[id]--
		r.now--
	}
}

// Of returns how often the message ran.
func (r *Runs) Of(id string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.byID[id]
}

// Total returns how many runs there were.
func (r *Runs) Total() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	sum := 0
	for _, n := range r.byID {
		sum += n
	}
	return sum
}

// Now returns how many run.
func (r *Runs) Now() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.now
}

// Most returns how many ever ran at the same time.
func (r *Runs) Most() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.top
}

// Overlaps returns the ids of which two runs were seen at the same time.
func (r *Runs) Overlaps() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Sorted(maps.Keys(r.overlaps))
}
