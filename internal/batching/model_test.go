package batching

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/task"
)

var (
	errStopped = errors.New("stopped")
	errExpired = errors.New("expired")
	errOfJob   = errors.New("of a job")
	errOfAll   = errors.New("of all")
	errPanic   = errors.New("panic")
)

// setModel is a Set beside the simplest thing that could be right: slices of batches, and one step
// at a time. After each step everything has come to rest, and both must agree about who is in which
// batch, who has ended, when, and with which result.
type setModel struct {
	t         *rapid.T
	real      *Set
	calls     calls
	functions []*Function
	settings  Settings
	timeout   time.Duration
	serial    int
	draining  bool

	jobs      []*modelJob // all of them
	gathering []*modelBatch
	running   []*modelBatch
}

// modelJob is a job, and what the model expects of it.
type modelJob struct {
	*job
	batch    *modelBatch
	cause    error     // why its context has ended
	stopped  error     // why its task was told to stop
	deadline time.Time // when it waits no longer; zero if it waits for as long as it takes
	want     *Result   // nil while it waits
	exits    bool      // its task ends by Goexit, and has no result
	at       time.Time // when it ends
}

type modelBatch struct {
	f       *Function
	key     string
	due     time.Time
	members []*modelJob
	leader  *modelJob // nil while it gathers
	cause   error     // why the leader was told to stop
	stopped error     // why the function was
	quits   int
}

func newSetModel(t *rapid.T) *setModel {
	m := &setModel{t: t}
	m.settings = Settings{Slots: rapid.IntRange(1, 8).Draw(t, "slots"), Grace: 10 * time.Second}
	m.timeout = m.seconds("timeout", 0, 5)
	for range rapid.IntRange(1, 2).Draw(t, "functions") {
		f := m.calls.function()
		f.Size = rapid.IntRange(0, m.settings.Slots).Draw(t, "size")
		f.Bytes = rapid.SampledFrom([]int{0, 0, 3}).Draw(t, "bytes")
		f.Wait = m.seconds("wait", 1, 4)
		m.functions = append(m.functions, f)
	}
	m.real = New(m.settings)
	return m
}

func (m *setModel) seconds(name string, least, most int) time.Duration {
	return time.Duration(rapid.IntRange(least, most).Draw(m.t, name)) * time.Second
}

// patience is nine tenths of the grace.
const patience = 9 * time.Second

// alive returns the jobs that wait.
func (m *setModel) alive() []*modelJob {
	return slices.DeleteFunc(slices.Clone(m.jobs), func(j *modelJob) bool { return j.over() || j.want != nil || j.exits })
}

func pick[E any](m *setModel, name string, from []E) E {
	if len(from) == 0 {
		m.t.Skip("there is no " + name)
	}
	return from[rapid.IntRange(0, len(from)-1).Draw(m.t, name)]
}

// join starts a job.
func (m *setModel) join(t *rapid.T) {
	if len(m.alive()) >= m.settings.Slots {
		t.Skip("no slot")
	}
	m.serial++
	j := &modelJob{job: newJob(fmt.Sprint(m.serial), pick(m, "function", m.functions))}
	if rapid.IntRange(0, 3).Draw(t, "shares an ID") == 0 {
		j.ID = "shared"
	}
	j.Key = rapid.SampledFrom([]string{"", "", "", "a"}).Draw(t, "key")
	j.Size = rapid.SampledFrom([]int{0, 1, 1, 1, 2, 2, 6}).Draw(t, "bytes")
	j.Attempt = rapid.SampledFrom([]int{1, 1, 1, 1, 2}).Draw(t, "attempt")
	m.jobs = append(m.jobs, j)
	go j.run(m.real)
	m.gather(j)
}

// joinSome starts a few jobs, one after the other.
func (m *setModel) joinSome(t *rapid.T) {
	m.join(t)
	for range rapid.IntRange(0, 3).Draw(t, "more") {
		m.check(t)
		if len(m.alive()) < m.settings.Slots {
			m.join(t)
		}
	}
}

// gather puts a job into its batch, and has those handled that are ready.
func (m *setModel) gather(j *modelJob) {
	if j.Attempt > 1 {
		m.run(&modelBatch{f: j.f, key: j.Key, members: []*modelJob{j}}, j)
		return
	}
	i := slices.IndexFunc(m.gathering, func(b *modelBatch) bool { return b.f == j.f && b.key == j.Key })
	if i >= 0 {
		if b := m.gathering[i]; b.f.Bytes > 0 && b.bytes()+j.Size > b.f.Bytes || b.has(j.ID) {
			m.run(b, b.members[0])
			i = -1
		}
	}
	if i < 0 {
		m.gathering = append(m.gathering, &modelBatch{f: j.f, key: j.Key, due: time.Now().Add(j.f.Wait)})
		i = len(m.gathering) - 1
	}
	b := m.gathering[i]
	b.members, j.batch = append(b.members, j), b
	n := 0
	for _, b := range m.gathering {
		n += len(b.members)
	}
	switch {
	case len(b.members) == b.f.Size, b.f.Bytes > 0 && b.bytes() >= b.f.Bytes, m.draining:
		m.run(b, j)
	case len(b.members) == m.settings.Slots:
		m.run(b, j)
	case n == m.settings.Slots:
		first := slices.MinFunc(m.gathering, func(a, b *modelBatch) int { return a.due.Compare(b.due) })
		m.run(first, first.members[0])
	}
}

func (b *modelBatch) bytes() (n int) {
	for _, j := range b.members {
		n += j.Size
	}
	return n
}

func (b *modelBatch) has(id string) bool {
	return slices.ContainsFunc(b.members, func(j *modelJob) bool { return j.ID == id })
}

// run has a batch handled.
func (m *setModel) run(b *modelBatch, leader *modelJob) {
	m.gathering = slices.DeleteFunc(m.gathering, func(other *modelBatch) bool { return other == b })
	b.leader, b.due = leader, time.Now()
	m.running = append(m.running, b)
	for _, j := range b.members {
		j.batch = b
	}
}

// stop stops the task of a job.
func (m *setModel) stop(t *rapid.T) {
	j := pick(m, "job to stop", m.alive())
	if j.stopped != nil {
		t.Skip("it was told before")
	}
	j.stopped = rapid.SampledFrom([]error{errStopped, task.ErrTimeout}).Draw(t, "cause")
	j.job.stop(j.stopped)
	m.endContext(j, j.stopped)
	if b := j.batch; j == b.leader && j.want == nil {
		b.cause = j.stopped
		m.stopFunction(b, j.stopped)
		for _, other := range b.members {
			m.waitNoLonger(other)
		}
	}
}

// expire ends the context that middleware has derived for a job.
func (m *setModel) expire(t *rapid.T) {
	j := pick(m, "job to expire", m.alive())
	if j.cause != nil {
		t.Skip("its context has ended")
	}
	j.job.expire(errExpired)
	m.endContext(j, errExpired)
}

// endContext is the end of the context of a job.
func (m *setModel) endContext(j *modelJob, cause error) {
	if j.cause != nil {
		return
	}
	j.cause = cause
	b := j.batch
	if b.leader == nil {
		m.ends(j, Result{Err: cause})
		b.members = slices.DeleteFunc(b.members, func(other *modelJob) bool { return other == j })
		if len(b.members) == 0 {
			m.gathering = slices.DeleteFunc(m.gathering, func(other *modelBatch) bool { return other == b })
		}
		return
	}
	if !j.deadline.IsZero() {
		return // it waits because the leader was told to stop
	}
	m.waitNoLonger(j)
	if b.quits++; b.quits == len(b.members) {
		m.stopFunction(b, cause)
	}
}

// waitNoLonger limits how long a job waits, unless it leads.
func (m *setModel) waitNoLonger(j *modelJob) {
	if j != j.batch.leader && j.deadline.IsZero() {
		j.deadline = time.Now().Add(patience)
	}
}

func (m *setModel) stopFunction(b *modelBatch, cause error) {
	if b.stopped == nil {
		b.stopped = cause
	}
}

func (m *setModel) ends(j *modelJob, r Result) {
	if j.want == nil {
		j.want, j.at = &r, time.Now()
	}
}

// end ends a function, in one way or another.
func (m *setModel) end(t *rapid.T) {
	b := pick(m, "batch", m.running)
	results, err := map[string]error{}, rapid.SampledFrom([]error{nil, errOfAll}).Draw(t, "error")
	for _, j := range b.members {
		switch rapid.IntRange(0, 3).Draw(t, "result") {
		case 0:
			results[j.ID] = errOfJob
		case 1, 2:
			results[j.ID] = nil
		}
	}
	how := rapid.SampledFrom([]string{"return", "return", "panic", "Goexit"}).Draw(t, "how")
	m.calls.finish(b.leader.job, func() (map[string]error, error) {
		switch how {
		case "panic":
			panic(errPanic)
		case "Goexit":
			runtime.Goexit()
		}
		return results, err
	})
	m.finished(b, how, results, err)
}

// finished gives the members of a batch their results.
func (m *setModel) finished(b *modelBatch, how string, results map[string]error, err error) {
	m.running = slices.DeleteFunc(m.running, func(other *modelBatch) bool { return other == b })
	for _, j := range b.members {
		own, has := results[j.ID]
		switch {
		case how == "Goexit" && j == b.leader:
			j.exits, j.at = true, time.Now()
		case how == "Goexit":
			m.ends(j, Result{Err: actor.ErrGoexit, Ending: Exited})
		case how == "panic":
			m.ends(j, Result{Err: errPanic, Ending: Panicked})
		case has:
			m.ends(j, Result{Err: own})
		case err != nil:
			m.ends(j, b.without(j, err))
		default:
			m.ends(j, b.without(j, ErrNoResult))
		}
	}
}

func (b *modelBatch) without(j *modelJob, err error) Result {
	if b.cause == nil || j == b.leader {
		return Result{Err: err}
	}
	return Result{Err: err, Ending: Stopped, Leader: &b.leader.Member, Cause: b.cause}
}

// wait lets time pass, from one event to the next.
func (m *setModel) wait(t *rapid.T) {
	until := time.Now().Add(rapid.SampledFrom([]time.Duration{
		time.Millisecond, 500 * time.Millisecond, time.Second, 3 * time.Second, 20 * time.Second,
	}).Draw(t, "wait"))
	for time.Now().Before(until) {
		next := until
		for _, b := range m.gathering {
			next = earlier(next, b.due)
		}
		for _, j := range m.alive() {
			next = earlier(next, j.deadline)
		}
		time.Sleep(time.Until(next))
		synctest.Wait()
		m.pass()
	}
}

func earlier(a, b time.Time) time.Time {
	if b.IsZero() || a.Before(b) {
		return a
	}
	return b
}

// pass is what happens because time has passed.
func (m *setModel) pass() {
	for _, b := range slices.Clone(m.gathering) {
		if !time.Now().Before(b.due) {
			m.run(b, b.members[0])
		}
	}
	for _, b := range m.running {
		for _, j := range b.members {
			switch {
			case j.want != nil || j.deadline.IsZero() || time.Now().Before(j.deadline):
			case j.cause != nil:
				m.ends(j, Result{Err: j.cause})
			default:
				m.ends(j, b.without(j, ErrNoResult))
			}
		}
	}
}

func (m *setModel) drain(*rapid.T) {
	m.real.Drain()
	m.draining = true
	for _, b := range slices.Clone(m.gathering) {
		m.run(b, b.members[0])
	}
}
