package task

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/gentask/gentask/actor"
)

// Info describes a task that has not returned.
type Info struct {
	ID   uint64
	Name string
	PID  *actor.PID

	// Age is the time since the start of the task.
	Age time.Duration

	// Abandoned reports whether the task was abandoned: it was stopped, and did not return within
	// its grace.
	Abandoned bool

	// Stack is the result of [Task.Stack]. Only [Supervisor.Stacks] fills it in.
	Stack string
}

// Tasks returns the tasks that have not returned, the abandoned included, oldest first. It returns
// [ErrClosed] if the supervisor is not running, and ctx.Err() if ctx ends first.
func (s *Supervisor) Tasks(ctx context.Context) ([]Info, error) {
	runs, err := s.runs(ctx)
	return infos(runs, nil), err
}

// Stacks is [Supervisor.Tasks] with the stacks. It stops the world for as long as [Task.Stack]
// does, however many tasks there are.
func (s *Supervisor) Stacks(ctx context.Context) ([]Info, error) {
	runs, err := s.runs(ctx)
	if err != nil {
		return nil, err
	}
	return infos(runs, takeStacks()), nil
}

func (s *Supervisor) runs(ctx context.Context) ([]*run, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	l := s.life.Load()
	if l == nil {
		return nil, ErrClosed
	}
	var all []*run
	for _, sh := range l.shares {
		all = append(all, sh.runs()...)
	}
	return all, nil
}

func infos(runs []*run, st stacks) []Info {
	var all []Info
	for _, r := range runs {
		now, pid := r.now(), r.PID()
		if now == finished || pid == nil { // it is just being started
			continue
		}
		all = append(all, Info{
			ID: r.id, Name: r.name, PID: pid, Age: r.age(), Abandoned: now == abandoned, Stack: st.of(r),
		})
	}
	slices.SortFunc(all, func(a, b Info) int { return cmp.Compare(a.ID, b.ID) })
	return all
}
