package admission

import (
	"fmt"
	"time"

	"github.com/gentask/gentask/internal/breaker"
)

// Gate is a policy that may hold an item back before its start. A gate answers and never acts.
//
// For each item, [Queue] calls Pass any number of times, Started at most once and then Ended once,
// and Gone once. Ended and Gone come in either order: a delivery may be lost while its job runs on.
type Gate interface {
	// Pass returns whether the item may start now. It must not consume quota: a later gate may
	// still refuse. Gates are asked in order. After the last one has admitted an item, Started
	// follows before any other call; so a gate that must reserve, because others take from the same
	// stock at the same time, is the last.
	Pass(it *Item, now time.Time) Answer

	// Started is called when the item was started.
	Started(it *Item, now time.Time)

	// Ended is called when the worker and the task of the item are gone.
	Ended(it *Item, r Result, now time.Time)

	// Gone is called when the delivery is settled or lost, also if it was never started.
	Gone(it *Item, how Fate, now time.Time)
}

// Answer is the answer of a gate. Its zero value admits.
type Answer struct {
	Kind   AnswerKind
	Until  time.Time     // of Skip and Block: when to ask again at the latest; zero for when a change is reported
	After  time.Duration // of GiveBack: when the delivery should come again
	Reason error         // of GiveBack
}

// AnswerKind is what a gate answers. The set is closed.
type AnswerKind uint8

const (
	// Admit lets the item start, as far as this gate is concerned.
	Admit AnswerKind = iota
	// Skip holds this item back. Others may start.
	Skip
	// Block holds back this item, and all that come after it.
	Block
	// GiveBack takes the item out of the queue: its delivery should go back to the broker.
	GiveBack
)

// String returns the kind in plain words.
func (k AnswerKind) String() string {
	switch k {
	case Admit:
		return "admit"
	case Skip:
		return "skip"
	case Block:
		return "block"
	case GiveBack:
		return "give back"
	}
	return fmt.Sprintf("answer(%d)", uint8(k))
}

// Result is how a run ended.
type Result struct {
	Signal breaker.Result // what it proves about the services that jobs depend on
	Start  time.Time
	Took   time.Duration // zero if no task ran
	Reason error         // of the decision
}

// Fate is how a delivery ended. The set is closed.
type Fate uint8

const (
	// Lost means that its session ended, or that it was returned to the broker unsettled.
	Lost Fate = iota
	// Done means that it was acknowledged or dead-lettered.
	Done
	// Released means that it was given back, and the attempt doesn't count.
	Released
	// Requeued means that it was given back, for its next attempt.
	Requeued
)
