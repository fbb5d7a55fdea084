package batching

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// chaos is a Set, and jobs and functions that do anything, many of them at the same instant.
type chaos struct {
	settings Settings
	function *Function
	set      *Set

	mu     sync.Mutex
	random *rand.Rand
	tasks  map[*job]*chaosTask
	wrong  []string
}

// chaosTask is what is seen of a job.
type chaosTask struct {
	calls  int       // of a function that got it
	inside bool      // one of them has not ended
	leads  bool      // it runs in this task
	exits  bool      // it has called Goexit
	told   time.Time // when its context ended
}

func (c *chaos) below(n int) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.random.IntN(n)
}

// seconds are whole, so that much happens at the same time.
func (c *chaos) seconds(n int) time.Duration { return time.Duration(c.below(n)) * time.Second }

// fail notes what is wrong. It is called with mu held.
func (c *chaos) fail(format string, args ...any) {
	c.wrong = append(c.wrong, fmt.Sprintf(format, args...))
}

// run starts n jobs, each when there is a slot, and returns what was wrong when all have ended.
func (c *chaos) run(n int) []string {
	slots := make(chan struct{}, c.settings.Slots)
	var tasks sync.WaitGroup
	for i := range n {
		if c.below(3) == 0 {
			time.Sleep(c.seconds(3))
		}
		if i == n-n/4 {
			c.set.Drain()
		}
		slots <- struct{}{}
		j := newJob(strconv.Itoa(i), c.function)
		if c.below(8) == 0 {
			j.ID = "shared"
		}
		j.Size, j.Attempt, j.Key = c.below(4), 1+c.below(5)/4, strconv.Itoa(c.below(2))
		tasks.Go(func() {
			defer func() { <-slots }()
			c.task(j)
		})
	}
	tasks.Wait()
	synctest.Wait()
	if len(c.set.members)+len(c.set.open)+c.set.forming > 0 {
		c.fail("something is left: %+v", c.set)
	}
	return c.wrong
}

// task is the task of a job. Most are told to stop, at some time.
func (c *chaos) task(j *job) {
	seen := &chaosTask{}
	c.mu.Lock()
	c.tasks[j] = seen
	c.mu.Unlock()
	tell := time.AfterFunc(c.seconds(8), func() {
		c.mu.Lock()
		seen.told = time.Now()
		c.mu.Unlock()
		if c.below(2) == 0 {
			j.expire(errExpired)
		} else {
			j.stop(errStopped)
		}
	})
	defer func() { // a task may end by Goexit
		tell.Stop()
		c.mu.Lock()
		defer c.mu.Unlock()
		c.ended(j, seen)
	}()
	j.run(c.set)
}

// ended checks a job that has ended.
func (c *chaos) ended(j *job, seen *chaosTask) {
	told := !seen.told.IsZero()
	switch {
	case j.exited != seen.exits, len(j.results) != 1 && !j.exited:
		c.fail("%s has exited: %v, with the results %v", j.ID, j.exited, j.results)
	case seen.calls == 0 && !told:
		c.fail("%s was never handled", j.ID)
	case seen.inside && !told && j.results[0].Ending != Stopped:
		c.fail("%s has ended before its batch, with %v", j.ID, j.results)
	case told && !seen.leads && time.Since(seen.told) > patience:
		c.fail("%s has ended %v after it was told to stop", j.ID, time.Since(seen.told))
	}
}

// call is the function of all batches.
func (c *chaos) call(ctx context.Context, members []*Member) (map[string]error, error) {
	leader, _ := ctx.Value(taskContextKey{}).(*job)
	jobs := make([]*job, len(members))
	for i, m := range members {
		jobs[i], _ = m.Owner.(*job)
	}
	c.enter(leader, jobs)
	defer c.leave(jobs)
	how := c.below(8)
	c.work(ctx, how >= 6, c.seconds(4))
	switch how {
	case 0:
		panic(errPanic)
	case 1:
		c.exit(leader)
	case 2:
		return done(jobs[c.below(len(jobs)):]), errOfAll
	case 3:
		return done(jobs[c.below(len(jobs)):]), ctx.Err()
	case 4:
		c.work(ctx, true, time.Minute) // longer than any grace
	}
	return done(jobs), nil
}

// work takes some time. It ends with ctx, unless the function is deaf.
func (*chaos) work(ctx context.Context, deaf bool, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	if deaf {
		ctx = context.WithoutCancel(ctx)
	}
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

func (c *chaos) exit(leader *job) {
	c.mu.Lock()
	c.tasks[leader].exits = true
	c.mu.Unlock()
	runtime.Goexit()
}

// enter checks a batch that is handled.
func (c *chaos) enter(leader *job, jobs []*job) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n, ids := 0, map[string]bool{}
	for _, j := range jobs {
		n += j.Size
		ids[j.ID] = true
		seen := c.tasks[j]
		seen.calls++
		seen.inside, seen.leads = true, j == leader
		switch {
		case seen.calls > 1, j.over():
			c.fail("%s is in %d batches, or has ended", j.ID, seen.calls)
		case j.Key != leader.Key, j.Attempt > 1 && len(jobs) > 1:
			c.fail("%s is not of the batch of %s", j.ID, leader.ID)
		case time.Since(j.joined) > c.function.Wait:
			c.fail("%s has waited for %v", j.ID, time.Since(j.joined))
		}
	}
	if len(ids) < len(jobs) || len(jobs) > c.function.Size || n > c.function.Bytes && len(jobs) > 1 {
		c.fail("a batch has %d members, %d IDs and %d bytes", len(jobs), len(ids), n)
	}
	if !slices.Contains(jobs, leader) {
		c.fail("the leader %s is not in its batch", leader.ID)
	}
}

func (c *chaos) leave(jobs []*job) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, j := range jobs {
		c.tasks[j].inside = false
	}
}

// TestSet_Chaos: with random events at the same time, each member has one result, is in one batch
// at the most, which is within its limits, and ends in time. Nothing is left.
func TestSet_Chaos(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		seed := rand.NewPCG(rapid.Uint64().Draw(rt, "seed"), 0)
		c := &chaos{tasks: map[*job]*chaosTask{}, random: rand.New(seed)} //nolint:gosec // a test
		c.settings = Settings{Slots: rapid.IntRange(1, 10).Draw(rt, "slots"), Grace: 10 * time.Second}
		c.function = &Function{
			Size:  rapid.IntRange(1, c.settings.Slots).Draw(rt, "size"),
			Bytes: rapid.IntRange(1, 15).Draw(rt, "bytes"),
			Wait:  time.Duration(rapid.IntRange(0, 3).Draw(rt, "wait")) * time.Second,
			Call:  c.call,
		}
		c.set = New(c.settings)
		var wrong []string
		synctest.Test(t, func(*testing.T) { wrong = c.run(60) })
		require.Empty(rt, wrong)
	})
}
