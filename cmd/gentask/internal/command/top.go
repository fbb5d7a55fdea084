package command

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/gentask/gentask/cmd/gentask/internal/broker"
	"github.com/gentask/gentask/cmd/gentask/internal/terminal"
	"github.com/gentask/gentask/cmd/gentask/internal/top"
	"github.com/gentask/gentask/fleet"
)

func (a *app) top() *cli.Command {
	return &cli.Command{
		Name: "top", Usage: "show the queues, nodes and longest jobs on a live screen",
		Description: `top draws the screen of a terminal again and again, and restores it at the end.
A narrow terminal gets fewer columns. done/s and failed/s are those of the last ten seconds; a failed
job is tried again, or is a dead letter. The times of the runs are there while someone watches events,
as the commands tail and ui do.

While the broker is away, the screen shows how old it is, and goes on when the broker is back. Nodes
make an answer once a second at most.

Keys: q ends it, s changes the order, p lets the screen stand still, j, k and the arrows scroll, and
? shows all keys. Without a terminal use jobs --watch --json, or queues.`,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "queue", Usage: "only the queue `NAME`"},
			&cli.StringFlag{Name: "node", Usage: "only the node `ID`, and its queues"},
			&cli.DurationFlag{Name: "every", Value: time.Second, Usage: "how often to ask the broker, 500ms at least"},
		},
		Action: a.do(spec{}, showTop),
	}
}

// leastEvery is how often the broker may be asked.
const leastEvery = 500 * time.Millisecond

func showTop(ctx context.Context, s *session) error {
	if s.Duration("every") < leastEvery {
		return usagef("--every is %v; want %v or more", s.Duration("every"), leastEvery)
	}
	if s.screen.IsJSON() || !s.screen.IsTerminal() || !s.screen.Listens() {
		return usagef("top needs a terminal, and writes no JSON; without one use jobs --watch --json, or queues")
	}
	return s.withNode(ctx, func(ctx context.Context, n *fleet.Node) error {
		ctx, cancel := context.WithCancel(ctx)
		w := &watch{session: s, node: n, found: make(chan found), snapshot: top.Snapshot{
			Fleet: s.String("fleet"), System: s.broker.System(),
		}}
		defer w.work.Wait()
		defer cancel()
		return s.screen.Live(func(l *terminal.Live) error { return w.show(ctx, l) })
	})
}

// watch is a live screen: what it shows, and the question that is under way.
type watch struct {
	*session
	node     *fleet.Node
	view     top.View
	snapshot top.Snapshot

	work   sync.WaitGroup
	found  chan found
	asking bool
	asked  time.Time // when the last question began
}

// found is the result of a question.
type found struct {
	snapshot *top.Snapshot
	err      error // also with a snapshot: of what is missing in it
	fatal    error // of a bug, which ends the command
}

// show draws until a key, the end of ctx or that of the terminal. A key draws at once. Else it
// draws after each answer, and each second for the time that has passed.
func (w *watch) show(ctx context.Context, l *terminal.Live) error {
	clock := time.NewTicker(leastEvery / 2)
	defer clock.Stop()
	again := false
	for {
		w.ask(ctx)
		width, height := l.Size()
		size := top.Size{Width: width, Height: height}
		lines, offset := top.Render(&w.snapshot, w.view, size, time.Now(), w.screen.Paint)
		w.view.Offset = offset
		if err := l.Draw(lines, again); err != nil {
			return nil // the caller has the error
		}
		again = false
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-l.Resized():
			again = true
		case <-clock.C:
		case key, open := <-l.Keys():
			if !open {
				return nil
			}
			if w.view.Press(key, size.Page()) {
				return endOf(key)
			}
		case f := <-w.found:
			if f.fatal != nil {
				return f.fatal
			}
			w.take(f)
		}
	}
}

// endOf returns the error of the end by a key: that of a signal for Ctrl-C.
func endOf(key terminal.Key) error {
	if key == terminal.KeyInterrupt {
		return errInterrupted
	}
	return nil
}

// ask begins a question if it is time for one, and none is under way.
func (w *watch) ask(ctx context.Context) {
	if w.asking || w.view.Paused || time.Since(w.asked) < w.Duration("every") {
		return
	}
	w.asking, w.asked = true, time.Now()
	w.work.Go(func() {
		f := w.round(ctx)
		select {
		case w.found <- f:
		case <-ctx.Done():
		}
	})
}

// take shows the result of a question, and keeps what was there if it has none. A screen that
// stands still takes nothing.
func (w *watch) take(f found) {
	w.asking = false
	if w.view.Paused {
		return
	}
	if f.snapshot != nil {
		w.snapshot = *f.snapshot
	}
	w.snapshot.Trouble = ""
	if f.err != nil {
		w.snapshot.Trouble = broker.Redact(f.err.Error(), w.app.address)
	}
}

// round asks the nodes and the broker once. A panic becomes an error, so that the terminal is
// restored.
func (w *watch) round(ctx context.Context) (f found) {
	defer func() {
		if v := recover(); v != nil {
			f = found{fatal: fmt.Errorf("panic: %v\n%s", v, debug.Stack())}
		}
	}()
	bounded, cancel := w.bounded(ctx)
	defer cancel()
	nodes, err := w.node.Nodes(bounded)
	if err != nil {
		return found{err: err}
	}
	s := snapshotOf(nodes, w.String("queue"), w.String("node"))
	s.Fleet, s.System, s.At = w.String("fleet"), w.broker.System(), time.Now()
	return found{snapshot: s, err: w.countAll(bounded, s)}
}
