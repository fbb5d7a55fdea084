package dashboard

import (
	"slices"

	"github.com/gentask/gentask/fleet"
)

// commandsPage is the model of the page of commands.
type commandsPage struct {
	Commands []commandRow
	More     int // that are not shown
	Asking   bool
	Problem  string
	Lines    []string
}

// commandRow is a command, and the action that takes it back.
type commandRow struct {
	*fleet.Command
	What string
	Undo string // the value of the button; empty if it can't be taken back
	Word string // its text
}

// mostCommands is how many commands the page shows, the newest ones.
const mostCommands = 500

func commandsModel(_ *Dashboard, v *view) any {
	if !v.Fleet {
		return nil
	}
	a := v.sample.commands
	p := &commandsPage{Asking: a.at.IsZero()}
	if a.err != nil {
		p.Problem, p.Lines = clip(a.err.Error(), 500), hints(a.err)
	}
	for _, c := range slices.Backward(a.value) {
		if len(p.Commands) == mostCommands {
			break
		}
		p.Commands = append(p.Commands, commandRowOf(c))
	}
	p.More = len(a.value) - len(p.Commands)
	return p
}

func commandRowOf(c *fleet.Command) commandRow {
	r := commandRow{Command: c, What: c.Kind}
	switch c.Kind {
	case "paused":
		r.What, r.Undo, r.Word = "Paused", "resume", "Resume"
	case "concurrency":
		r.What, r.Undo, r.Word = "Concurrency", "concurrency-own", "As configured"
	case "rate":
		r.What, r.Undo, r.Word = "Rate", "rate-own", "As configured"
	case "breaker_open":
		r.What, r.Undo, r.Word = "Breakers open", "breaker-release", "Release"
	case "cancelled":
		r.What, r.Undo, r.Word = "Cancelled", "uncancel", "Take back"
	case "drained":
		r.What = "Drained"
	case "breaker_reset":
		r.What = "Breakers reset"
	}
	return r
}
