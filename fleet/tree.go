package fleet

import (
	"cmp"
	"context"
	"encoding/json"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/supervision"
)

// TreeRoot is a supervisor of package supervision that runs in a system.
type TreeRoot struct {
	System *actor.System
	PID    *actor.PID
}

// TreeStatus is a supervision tree of a node.
type TreeStatus struct {
	Node     string `json:"node"`
	Instance string `json:"instance"`

	// Name is that in [Config.Trees].
	Name string `json:"name"`

	// At is when the tree was looked at, by the clock of the node.
	At time.Time `json:"at"`

	// Error is why the tree is not shown; empty if it is. Root is nil then.
	Error string `json:"error,omitempty"`

	Root *TreeNode `json:"root,omitempty"`
}

// TreeNode is a supervisor or a worker in a [TreeStatus]: see [supervision.Node].
type TreeNode struct {
	ID string `json:"id"`

	// Type and State are in plain words, such as "static" and "Running".
	Type  string `json:"type"`
	State string `json:"state"`

	// Restarts is how often it was started again, and Reason why it ended last; empty if that was
	// normal.
	Restarts int    `json:"restarts,omitempty"`
	Reason   string `json:"reason,omitempty"`

	NotAnswering bool `json:"not_answering,omitempty"`
	StuckCalls   int  `json:"stuck_calls,omitempty"`
	Waiting      int  `json:"waiting,omitempty"`

	// Children are those of a supervisor. LeftOut is how many nodes below it were left out, because
	// the answer was too large.
	Children []*TreeNode `json:"children,omitempty"`
	LeftOut  int         `json:"left_out,omitempty"`
}

const (
	mostTrees    = 50
	mostChildren = 1000 // of a supervisor that an answer has

	// treesTime bounds how long an answer waits for all trees. Actors that have not answered by
	// then are marked.
	treesTime = 500 * time.Millisecond
)

// Tree returns the supervision trees of a node, or of all nodes if node is empty: those of
// [Config.Trees], live, in the order of the nodes and names. An answer is made at most once a
// second, and has at most 60 KiB: children of the largest supervisors are left out, and counted.
//
// Tree waits and returns as [Node.Tasks] does, with the same errors.
func (n *Node) Tree(ctx context.Context, node string) ([]TreeStatus, error) {
	var all []TreeStatus
	seen := map[sender]bool{}
	err := n.gather(ctx, topicTrees, &question{Only: node}, n.cfg.Wait+treesTime, func(answer []byte) bool {
		var a treesAnswer
		if json.Unmarshal(answer, &a) != nil || a.Node == "" || seen[a.sender] {
			return true // of another program, or a bus repeats itself
		}
		seen[a.sender] = true
		for _, t := range a.Trees {
			t.Node, t.Instance = a.Node, a.Instance
			all = append(all, t)
		}
		return true
	})
	slices.SortStableFunc(all, func(a, b TreeStatus) int {
		return cmp.Or(cmp.Compare(a.Node, b.Node), cmp.Compare(a.Instance, b.Instance), cmp.Compare(a.Name, b.Name))
	})
	return all, err
}

// treesAnswer is the answer of a node about its trees, which are without Node and Instance.
type treesAnswer struct {
	sender
	Trees []TreeStatus `json:"trees"`
}

// forest answers what the trees of a node are. The bus calls it for one question at a time, so it
// needs no lock.
type forest struct {
	node *Node
	at   time.Time
	body []byte
}

// answer answers a question about trees; nil if it is for another node.
func (f *forest) answer(asked []byte) []byte {
	var q question
	if json.Unmarshal(asked, &q) != nil || q.Only != "" && q.Only != f.node.cfg.Node {
		return nil
	}
	if now := time.Now(); f.body == nil || now.Sub(f.at) >= answerEvery {
		f.at, f.body = now, f.look(now)
	}
	return f.body
}

// look looks at all trees at the same time.
func (f *forest) look(now time.Time) []byte {
	ctx, cancel := context.WithTimeout(context.Background(), treesTime)
	defer cancel()
	names := slices.Sorted(maps.Keys(f.node.cfg.Trees))
	roots := make([]*supervision.Node, len(names))
	errs := make([]error, len(names))
	var wg sync.WaitGroup
	for i, name := range names {
		root := f.node.cfg.Trees[name]
		wg.Go(func() { roots[i], errs[i] = supervision.Tree(ctx, root.System, root.PID) })
	}
	wg.Wait()
	for most := mostChildren; ; most /= 2 {
		a := treesAnswer{sender: sender{f.node.cfg.Node, f.node.instance}, Trees: []TreeStatus{}}
		for i, name := range names {
			a.Trees = append(a.Trees, treeOf(name, roots[i], errs[i], now, most))
		}
		body, err := json.Marshal(a)
		switch {
		case err != nil:
			return nil // it has no such values
		case len(body) <= mostAnswer || most == 0:
			return body
		}
	}
}

func treeOf(name string, root *supervision.Node, err error, now time.Time, most int) TreeStatus {
	t := TreeStatus{Name: name, At: now.UTC()}
	if err != nil {
		t.Error = clip(err.Error(), mostIDText)
		return t
	}
	t.Root = nodeOf(root, most)
	return t
}

// nodeOf returns a node with at most so many children of each supervisor.
func nodeOf(n *supervision.Node, most int) *TreeNode {
	one := &TreeNode{
		ID: clip(n.ID, mostIDText), Type: n.Type.String(), State: n.State.String(), Restarts: n.Restarts,
		NotAnswering: n.NotAnswering, StuckCalls: n.StuckCalls, Waiting: n.Waiting,
	}
	if n.LastReason != nil {
		one.Reason = clip(n.LastReason.Error(), mostIDText)
	}
	for i, c := range n.Children {
		if i < most {
			one.Children = append(one.Children, nodeOf(c, most))
		} else {
			one.LeftOut += countOf(c)
		}
	}
	return one
}

// countOf returns how many nodes a tree has.
func countOf(n *supervision.Node) int {
	count := 1
	for _, c := range n.Children {
		count += countOf(c)
	}
	return count
}
