package admission

import (
	"time"

	"github.com/gentask/gentask/internal/adapt"
	"github.com/gentask/gentask/internal/breaker"
)

// Adaptive is the gate of a limit that moves. It blocks while as many items are at work as the
// limiter allows.
type Adaptive struct {
	*adapt.Limiter

	busy int // items at work
}

// NewAdaptive returns the gate of a limiter.
func NewAdaptive(l *adapt.Limiter) *Adaptive { return &Adaptive{Limiter: l} }

// Reset forgets the items that are at work, for a queue that begins.
func (g *Adaptive) Reset() { g.busy = 0 }

// Pass implements [Gate].
func (g *Adaptive) Pass(*Item, time.Time) Answer {
	if g.busy < g.Limit() {
		return Answer{}
	}
	return Answer{Kind: Block}
}

// Started implements [Gate].
func (g *Adaptive) Started(*Item, time.Time) { g.busy++ }

// Ended implements [Gate].
func (g *Adaptive) Ended(_ *Item, r Result, now time.Time) {
	busy := g.busy // itself included
	g.busy--
	if r.Signal == breaker.Nothing {
		return
	}
	g.Limiter.Ended(now, adapt.Run{Begun: r.Start, Took: r.Took, Failed: r.Signal == breaker.Bad, Busy: busy})
}

// Gone implements [Gate].
func (*Adaptive) Gone(*Item, Fate, time.Time) {}
