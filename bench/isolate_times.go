package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"syscall"
	"time"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/bench/result"
	"github.com/gentask/gentask/isolate"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/task"
)

const (
	addedMost   = 60  // the target of what a child adds to a job, in microseconds
	replaceMost = 100 // the target of the time to replace a child, in milliseconds
)

// reporter answers with the process that it runs in, and reports each end.
type reporter struct{ ended chan task.Outcome[int] }

// Run implements isolate.Worker.
func (*reporter) Run(context.Context, []byte) (int, error) { return os.Getpid(), nil }

// HandleResult implements isolate.Worker.
func (r *reporter) HandleResult(_ gentask.Job[gentask.Raw], o task.Outcome[int]) gentask.Decision {
	r.ended <- o
	return gentask.Decision{}
}

// atHome is a reporter in the parent.
type atHome struct{ reporter }

// HandleResult implements gentask.Worker.
func (r *atHome) HandleResult(_ gentask.Job[[]byte], o task.Outcome[int]) gentask.Decision {
	r.ended <- o
	return gentask.Decision{}
}

var (
	reports  = &reporter{ended: make(chan task.Outcome[int], 1)}
	inTwo    = isolate.Work("report from two", reports, isolate.Config{Children: isolatedChildren})
	inOne    = isolate.Work("report from one", reports, isolate.Config{Children: 1})
	homeMade = &atHome{reporter{ended: make(chan task.Outcome[int], 1)}}
)

// single is a consumer that gets one job at a time.
type single struct {
	publish func(context.Context, ...queue.Message) error
	ended   chan task.Outcome[int]
	body    []byte
}

// singly calls f while a consumer of b runs.
func singly(ctx context.Context, b gentask.Behavior, ended chan task.Outcome[int], f func(*single) error) (err error) {
	q := newMemory(newTrial(1, false))
	defer q.Close()
	c, err := gentask.New(q, b, gentask.Config{Concurrency: isolatedChildren})
	if err != nil {
		return err
	}
	if err = c.Start(); err != nil {
		return err
	}
	err = f(&single{q.Publish, ended, make([]byte, small)})
	_, stopErr := stop(ctx, c)
	return errors.Join(err, stopErr)
}

// one does a job, and returns the process that has done it and how long it took from publishing.
func (s *single) one(ctx context.Context) (pid int, took time.Duration, err error) {
	began := time.Now()
	if err := s.publish(ctx, queue.Message{Body: s.body}); err != nil {
		return 0, 0, err
	}
	select {
	case o := <-s.ended:
		return o.Value, time.Since(began), o.Reason
	case <-ctx.Done():
		return 0, 0, context.Cause(ctx)
	}
}

// overhead is how much longer a job takes in a child than in the parent, if it is alone.
type overhead struct{ jobs int }

// names implements measurement.
func (overhead) names() (suite, name, peer string) {
	return "isolate", "one job at a time/2 children", "in the parent"
}

// measure implements measurement.
func (h overhead) measure(ctx context.Context, r *runner) ([]result.Line, error) {
	suite, name, peer := h.names()
	fmt.Fprintf(r.progress, "%s %s\n", suite, name)
	ctx, cancel := within(ctx)
	defer cancel()
	var ours, theirs, added []float64
	for range r.pairs {
		o, err := h.median(ctx, inTwo, reports.ended)
		if err != nil {
			return nil, err
		}
		t, err := h.median(ctx, gentask.Work(homeMade), homeMade.ended)
		if err != nil {
			return nil, err
		}
		ours, theirs, added = append(ours, o), append(theirs, t), append(added, o-t)
	}
	line := result.Line{Suite: suite, Case: name}
	return []result.Line{
		against(line, "the target", result.Added, median(added), addedMost, 1),
		against(line, peer, result.Time, median(ours), median(theirs), 0),
	}, nil
}

// median returns that of the times of jobs, in microseconds. The first fifth does not count.
func (h overhead) median(ctx context.Context, b gentask.Behavior, ended chan task.Outcome[int]) (middle float64, err error) {
	var all []float64
	err = singly(ctx, b, ended, func(s *single) error {
		for range h.jobs {
			_, took, err := s.one(ctx)
			if err != nil {
				return err
			}
			all = append(all, took.Seconds()*1e6)
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	return median(all[h.jobs/5:]), nil
}

// replacement is how long it takes from the death of the only child, by kill -9, to the end of the
// first job in the next one. The job is there at once, and waits.
type replacement struct{ deaths int }

// names implements measurement.
func (replacement) names() (suite, name, peer string) {
	return "isolate", "kill -9/1 child", "the target"
}

// measure implements measurement.
func (p replacement) measure(ctx context.Context, r *runner) ([]result.Line, error) {
	suite, name, peer := p.names()
	fmt.Fprintf(r.progress, "%s %s\n", suite, name)
	ctx, cancel := within(ctx)
	defer cancel()
	var all []float64
	err := singly(ctx, inOne, reports.ended, func(s *single) error {
		for range p.deaths {
			took, err := s.afterDeath(ctx)
			if err != nil {
				return err
			}
			all = append(all, took.Seconds()*1e3)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	line := result.Line{Suite: suite, Case: name}
	return []result.Line{
		against(line, peer, result.Replace, median(all), replaceMost, 1),
		against(line, peer, result.Longest, slices.Max(all), replaceMost, 0),
	}, nil
}

// afterDeath kills the child that has done a job, and does another.
func (s *single) afterDeath(ctx context.Context) (time.Duration, error) {
	before, _, err := s.one(ctx)
	if err != nil {
		return 0, err
	}
	if err := syscall.Kill(before, syscall.SIGKILL); err != nil {
		return 0, err
	}
	after, took, err := s.one(ctx)
	if err == nil && after == before {
		err = fmt.Errorf("process %d has done a job after its death", before)
	}
	return took, err
}
