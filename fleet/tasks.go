package fleet

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"time"
)

// TaskStatus is a task that has not returned.
type TaskStatus struct {
	Node     string `json:"node"`
	Instance string `json:"instance"`
	Consumer string `json:"consumer"`
	Queue    string `json:"queue"`

	// ID is that of the job's message, and Attempt the number of the attempt. Attempt is zero if
	// the consumer does not hold the job any more.
	ID      string `json:"id"`
	Attempt int    `json:"attempt,omitempty"`

	// Age is the time since the start of the task.
	Age time.Duration `json:"age_ns"`

	// Abandoned reports whether the task has outlived its grace: see [gentask.Config.Grace].
	Abandoned bool `json:"abandoned,omitempty"`

	// Stack has the stacks of the task's goroutines, the innermost calls first. StackCut is how
	// many bytes were left out at its end.
	Stack    string `json:"stack,omitempty"`
	StackCut int    `json:"stack_cut,omitempty"`

	// At is when the stack was taken, by the clock of the node.
	At time.Time `json:"at"`

	// LeftOut is how many tasks of the node were left out, because the answer was too large. They
	// are younger than the others. Only the youngest task of each node has the number.
	LeftOut int `json:"left_out,omitempty"`
}

const (
	// tasksEvery is the least time between two looks at the tasks of a consumer, because each stops
	// the world.
	tasksEvery = time.Second

	mostTasks  = 100
	mostStack  = 16 << 10 // bytes of a stack
	leastStack = 1 << 10  // bytes of a stack that an answer is cut to before tasks are left out
)

// Tasks returns the tasks of a node that have not returned, with their stacks, the longest first.
// An empty node stands for all nodes, and an empty queueName for all queues. The abandoned tasks
// are among them. A stopped consumer has none, nor has one that does not answer.
//
// A node looks at the tasks of a consumer at most once a second, because that stops the world, for
// some microseconds per goroutine of the process. Further questions share the result. A node
// answers with up to 100 tasks and 60 KiB. Stacks are cut first, to 1 KiB at least, and then the
// youngest tasks are left out. [TaskStatus] has how much was cut.
//
// Tasks returns when no answer has come for half a second beside [Config.Wait], or for five times
// as long if none has come at all, and when ctx ends. A node that can't be reached is missing, and
// so is one whose program is older than this question. Tasks returns an error if the broker is away
// or refuses, or the node is closed.
func (n *Node) Tasks(ctx context.Context, node, queueName string) ([]TaskStatus, error) {
	var all []TaskStatus
	seen := map[sender]bool{}
	q := &question{Only: node, Queue: clip(queueName, mostIDText)}
	err := n.gather(ctx, topicTasks, q, n.cfg.Wait+tasksTime, func(answer []byte) bool {
		var a tasksAnswer
		if json.Unmarshal(answer, &a) != nil || a.Node == "" || seen[a.sender] {
			return true // of another program, or a bus repeats itself
		}
		seen[a.sender] = true
		all = append(all, a.list()...)
		return true
	})
	slices.SortStableFunc(all, longest)
	return all, err
}

// longest orders tasks by their age.
func longest(a, b TaskStatus) int { return cmp.Compare(b.Age, a.Age) }

// tasksTime bounds how long an answer waits for all consumers of a node.
const tasksTime = 500 * time.Millisecond

// tasksAnswer is the answer of a node about its tasks.
type tasksAnswer struct {
	sender

	// Tasks are without Node and Instance. LeftOut is how many others there are.
	Tasks   []TaskStatus `json:"tasks"`
	LeftOut int          `json:"left_out,omitempty"`
}

// list returns the tasks as they are shown.
func (a *tasksAnswer) list() []TaskStatus {
	for i := range a.Tasks {
		a.Tasks[i].Node, a.Tasks[i].Instance = a.Node, a.Instance
	}
	if n := len(a.Tasks); n > 0 {
		a.Tasks[n-1].LeftOut = a.LeftOut
	}
	return a.Tasks
}

// census answers which tasks run. The bus calls it for one question at a time, so it needs no lock.
type census struct {
	node  *Node
	taken map[*consumer]look
}

// look is what was seen of a consumer's tasks.
type look struct {
	at    time.Time
	tasks []TaskStatus
}

func newCensus(n *Node) *census { return &census{node: n, taken: map[*consumer]look{}} }

// answer answers a question about tasks; nil if it is for another node.
func (c *census) answer(asked []byte) []byte {
	var q question
	if json.Unmarshal(asked, &q) != nil || q.Only != "" && q.Only != c.node.cfg.Node {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), tasksTime)
	defer cancel()
	a := tasksAnswer{sender: sender{c.node.cfg.Node, c.node.instance}, Tasks: []TaskStatus{}}
	for _, one := range c.node.follower.consumers {
		if q.Queue == "" || q.Queue == clip(one.place.queue, mostIDText) {
			a.Tasks = append(a.Tasks, c.look(ctx, one)...)
		}
	}
	slices.SortStableFunc(a.Tasks, longest)
	return a.fit()
}

// look returns the tasks of a consumer, as they were at most a second ago.
func (c *census) look(ctx context.Context, one *consumer) []TaskStatus {
	last, known := c.taken[one]
	if now := time.Now(); !known || now.Sub(last.at) >= tasksEvery {
		last = look{now, one.tasks(ctx, now)}
		c.taken[one] = last
	}
	return last.tasks
}

// tasks takes the stacks of a consumer. One that doesn't answer, or is stopped, shows none.
func (c *consumer) tasks(ctx context.Context, now time.Time) []TaskStatus {
	infos, _ := c.Tasks(ctx)
	jobs, _ := c.Jobs(ctx)
	attempts := make(map[string]int, len(jobs))
	for i := range jobs {
		attempts[jobs[i].ID] = jobs[i].Attempt
	}
	var all []TaskStatus
	for i := range infos {
		t := &infos[i]
		all = append(all, TaskStatus{
			Consumer: clip(c.Name(), mostIDText), Queue: clip(c.place.queue, mostIDText), ID: clip(t.Name, mostIDText),
			Attempt: attempts[t.Name], Age: t.Age, Abandoned: t.Abandoned, Stack: t.Stack, At: now.UTC(),
		})
	}
	return all
}

// fit returns a in JSON, cut until it fits. It does not change the tasks that it was given.
func (a *tasksAnswer) fit() []byte {
	whole := a.Tasks
	for most, stack := mostTasks, mostStack; ; {
		a.cut(whole, most, stack)
		body, err := json.Marshal(a)
		switch {
		case err != nil:
			return nil // it has no such values
		case len(body) <= mostAnswer:
			return body
		case stack > leastStack:
			stack /= 2
		default:
			most = len(a.Tasks) * 3 / 4
		}
	}
}

// cut makes a of the first tasks of all, with stacks of so many bytes.
func (a *tasksAnswer) cut(all []TaskStatus, most, stack int) {
	a.Tasks = slices.Clone(first(all, most))
	a.LeftOut = len(all) - len(a.Tasks)
	for i := range a.Tasks {
		t := &a.Tasks[i]
		whole := len(t.Stack)
		t.Stack = clip(t.Stack, stack)
		t.StackCut = max(whole-len(t.Stack), 0)
	}
}
