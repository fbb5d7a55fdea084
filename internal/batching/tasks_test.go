package batching

import (
	"context"
	"maps"
	"sync"
	"time"
)

// taskContextKey is the key of the job in whose task a function runs.
type taskContextKey struct{}

// job is a member, and the task in which it joins.
type job struct {
	Member
	f       *Function
	stop    context.CancelCauseFunc // of the task
	expire  context.CancelCauseFunc // of the context that middleware has derived for the job
	ctx     context.Context         //nolint:containedctx // of a test
	joined  time.Time
	results []Result // one, when Join has returned
	exited  bool     // the task has ended by Goexit
	ended   time.Time
	gone    chan struct{} // closed when the task has ended
}

// newJob returns a job that has not started.
func newJob(id string, f *Function) *job {
	j := &job{Member: Member{ID: id, Attempt: 1}, f: f, gone: make(chan struct{})}
	j.Owner = j
	own, stop := context.WithCancelCause(context.WithValue(context.Background(), taskContextKey{}, j))
	ctx, expire := context.WithCancelCause(WithTask(own))
	j.ctx, j.stop, j.expire = ctx, stop, expire
	return j
}

// run joins.
func (j *job) run(s *Set) {
	j.joined = time.Now()
	returned := false
	defer func() {
		j.exited, j.ended = !returned, time.Now()
		j.stop(nil)
		j.expire(nil)
		close(j.gone)
	}()
	r := s.Join(j.ctx, j.f, &j.Member)
	returned = true
	j.results = append(j.results, r)
}

// over reports whether the task has ended, so that what is known of its end may be read.
func (j *job) over() bool {
	select {
	case <-j.gone:
		return true
	default:
		return false
	}
}

// call is a call of a function. It lasts until the test ends it.
type call struct {
	ctx     context.Context //nolint:containedctx // of a test
	leader  *job
	members []*job
	end     chan func() (map[string]error, error)
}

// calls are those that have not been ended, by the job in whose task each one runs.
type calls struct {
	mu     sync.Mutex
	by     map[*job]*call
	closed bool // further calls return at once
}

// function returns a function whose calls are held.
func (c *calls) function() *Function {
	return &Function{Call: func(ctx context.Context, members []*Member) (map[string]error, error) {
		one := &call{ctx: ctx, end: make(chan func() (map[string]error, error), 1)}
		one.leader, _ = ctx.Value(taskContextKey{}).(*job)
		for _, m := range members {
			j, _ := m.Owner.(*job)
			one.members = append(one.members, j)
		}
		if !c.enter(one) {
			return nil, nil
		}
		return (<-one.end)()
	}}
}

func (c *calls) enter(one *call) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return false
	}
	if c.by == nil {
		c.by = map[*job]*call{}
	}
	c.by[one.leader] = one
	return true
}

// all returns a copy.
func (c *calls) all() map[*job]*call {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.by)
}

// finish ends the call that runs in the task of a job.
func (c *calls) finish(leader *job, end func() (map[string]error, error)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.by[leader].end <- end
	delete(c.by, leader)
}

// close ends all calls, also those to come.
func (c *calls) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	for _, one := range c.by {
		one.end <- func() (map[string]error, error) { return nil, nil }
	}
	clear(c.by)
}

// done returns the results of jobs that are all done.
func done(jobs []*job) map[string]error {
	r := map[string]error{}
	for _, j := range jobs {
		r[j.ID] = nil
	}
	return r
}
