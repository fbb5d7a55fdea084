package supervision

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/internal/process"
)

// treeTime is how long [Tree] waits for answers at most, however large the tree is.
const treeTime = time.Second

// Node describes a supervisor or a worker in a tree of supervisors. See [Tree].
type Node struct {
	// ChildInfo is the child as its supervisor sees it. For the root, ID is empty, and State is
	// Running or Stopping.
	ChildInfo
	Type NodeType
	// NotAnswering reports that the actor has not answered in time: its Receive has not returned.
	// For a supervisor, Children is empty then, and Type is TypeSupervisor.
	NotAnswering bool
	// StuckCalls is how many calls of Props, OnEvent and BeforeRestart have not returned to this
	// supervisor.
	StuckCalls int
	// Waiting is how many requests, ends and restarts wait until this supervisor has started or
	// stopped a child.
	Waiting int
	// Children are those of a supervisor: of a static one in the order of their start, of a dynamic
	// one by ID.
	Children []*Node
}

// NodeType is the type of a [Node].
type NodeType uint8

const (
	// TypeWorker is any actor that is no supervisor of this package. Its own children are not
	// shown.
	TypeWorker NodeType = iota
	// TypeSupervisor is a supervisor that has not answered.
	TypeSupervisor
	// TypeStatic is a supervisor made by [Static].
	TypeStatic
	// TypeDynamic is a supervisor made by [Dynamic].
	TypeDynamic
)

// String returns the type in one word.
func (t NodeType) String() string { return nameOf(t, "worker", "supervisor", "static", "dynamic") }

// Tree returns the state of a supervisor and of all supervisors below it. It looks at each actor
// between two messages: also at a supervisor that is starting or stopping a child. It waits for 1 s
// at most, or until ctx ends. Actors that have not answered by then are marked, and the rest of the
// tree is complete.
//
// The error is about the root alone. It is [actor.ErrNoProcess] if there is no such actor, and
// [ErrNotAnswering] or ctx.Err() if it did not answer.
func Tree(ctx context.Context, sys *actor.System, sup *actor.PID) (*Node, error) {
	root := &Node{ChildInfo: ChildInfo{PID: sup, State: Running, Supervisor: true}, Type: TypeSupervisor}
	s := &survey{sys: sys, wake: make(chan struct{}, 1)}
	s.askSupervisor(root, func() { root.PID = nil })
	err := s.collect(ctx)
	switch {
	case root.PID == nil:
		return nil, actor.ErrNoProcess
	case !root.NotAnswering:
		return root, nil
	case err != nil:
		return nil, err
	}
	return nil, ErrNotAnswering
}

// treeRequest asks a supervisor for a snapshot. It is answered at once, in every state of the
// supervisor. reply must not block.
type treeRequest struct{ reply func(snapshot) }

// snapshot is the answer.
type snapshot struct {
	kind     NodeType
	stopping bool
	stuck    int
	waiting  int
	children []ChildInfo
}

func (b *base) snapshot(kind NodeType, children []ChildInfo) snapshot {
	stuck := int(b.stuck.Load())
	if b.hooks.isLate() {
		stuck++
	}
	return snapshot{kind: kind, stopping: b.stopping, stuck: stuck, children: children}
}

// survey collects the answers for one Tree. Nodes belong to the goroutine that collects.
type survey struct {
	sys     *actor.System
	open    int      // questions without an answer
	cancels []func() // withdraw the monitors

	wake chan struct{}
	sync surveyed
}

// askSupervisor asks n for a snapshot. gone is called if n has ended.
func (s *survey) askSupervisor(n *Node, gone func()) {
	s.open++
	n.NotAnswering = true
	over := false
	once := func(f func()) func() {
		return func() {
			if !over {
				over = true
				s.open--
				n.NotAnswering = false
				f()
			}
		}
	}
	s.cancels = append(s.cancels, actor.OnExit(s.sys, n.PID, func(*actor.Exited) { s.tell(once(gone)) }))
	process.Notify(s.sys, n.PID, &treeRequest{reply: func(a snapshot) { s.tell(once(func() { s.answered(n, a) })) }})
}

// askWorker asks whether n handles messages.
func (s *survey) askWorker(n *Node) {
	s.open++
	n.NotAnswering = true
	process.Probe(s.sys, n.PID, func() {
		s.tell(func() {
			s.open--
			n.NotAnswering = false
		})
	})
}

func (s *survey) answered(n *Node, a snapshot) {
	n.Type, n.StuckCalls, n.Waiting = a.kind, a.stuck, a.waiting
	if a.stopping {
		n.State = Stopping
	}
	for _, c := range a.children {
		n.Children = append(n.Children, s.node(c))
	}
	if a.kind == TypeDynamic {
		slices.SortFunc(n.Children, func(x, y *Node) int { return strings.Compare(x.ID, y.ID) })
	}
}

func (s *survey) node(c ChildInfo) *Node {
	n := &Node{ChildInfo: c}
	if c.Supervisor {
		n.Type = TypeSupervisor
	}
	switch {
	case c.PID == nil:
	case c.Supervisor:
		s.askSupervisor(n, func() {})
	default:
		s.askWorker(n)
	}
	return n
}

// collect takes answers until no question is open, or the time is over. It returns ctx.Err() if ctx
// ends first.
func (s *survey) collect(ctx context.Context) error {
	defer func() {
		s.sync.close()
		for _, cancel := range s.cancels {
			cancel()
		}
	}()
	timer := time.NewTimer(treeTime)
	defer timer.Stop()
	for s.open > 0 {
		select {
		case <-s.wake:
			for _, answer := range s.sync.take() {
				answer()
			}
		case <-timer.C:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// tell hands an answer to the goroutine that collects. It never blocks.
func (s *survey) tell(answer func()) {
	s.sync.add(answer)
	select {
	case s.wake <- struct{}{}:
	default:
	}
}
