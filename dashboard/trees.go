package dashboard

import (
	"context"

	"github.com/gentask/gentask/fleet"
)

// treeView is a supervision tree, with a row for each of its supervisors and workers.
type treeView struct {
	fleet.TreeStatus
	Rows []treeRow
}

// treeRow is a node of a tree.
type treeRow struct {
	*fleet.TreeNode
	Depth int // from 0, and at most mostDepth
	Tone  tone
}

const (
	mostTreeRows = 500
	mostDepth    = 8
)

// trees asks a node for its trees.
func (p *nodePage) trees(d *Dashboard, v *view) {
	found, err := call(v.ctx, d.hooks.nodes, func(ctx context.Context) ([]fleet.TreeStatus, error) {
		ctx, cancel := context.WithTimeout(ctx, questionTime)
		defer cancel()
		return d.from.Tree(ctx, p.Node)
	})
	if err != nil {
		p.Problem, p.Lines = clip(err.Error(), 500), hints(err)
	}
	for _, t := range found {
		one := treeView{TreeStatus: t}
		one.add(t.Root, 0)
		p.Trees = append(p.Trees, one)
	}
}

// add adds the rows of n and of what is below it.
func (t *treeView) add(n *fleet.TreeNode, depth int) {
	if n == nil || len(t.Rows) == mostTreeRows {
		return
	}
	r := treeRow{TreeNode: n, Depth: min(depth, mostDepth), Tone: toneOK}
	switch {
	case n.NotAnswering || n.StuckCalls > 0:
		r.Tone = toneBad
	case n.State != "Running":
		r.Tone = toneIdle
	}
	t.Rows = append(t.Rows, r)
	for _, c := range n.Children {
		t.add(c, depth+1)
	}
}
