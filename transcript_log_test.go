package gentask

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// replayLog collects the lines of a transcript. Those of one step of the conductor are sorted by
// kind, because an event comes from a goroutine of its own.
type replayLog struct {
	mu    sync.Mutex
	since time.Time // the time of the first line; zero while nothing is recorded
	step  []replayLine
	idle  *replayLine // a message of which nothing has come yet
	done  []replayLine
}

type replayLine struct {
	at   time.Duration
	kind lineKind
	text string
	idle bool // the line is left out if nothing comes of it
}

// lineKind is the kind of a line, in the order in which the lines of a step are written.
type lineKind int

const (
	lineDo    lineKind = iota // a directive
	lineIn                    // a message that the ledger handles
	lineOut                   // an effect of it
	lineJob                   // what the code of the user does
	lineEvent                 // an event
	lineState                 // the state at the end
)

func (k lineKind) String() string {
	return [...]string{"do", "in", "out", "job", "event", "state"}[k]
}

// begin begins to record, at 0s.
func (l *replayLog) begin() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.since.IsZero() {
		l.since, l.step = time.Now(), nil
	}
}

// end ends it.
func (l *replayLog) end() {
	l.flush()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.since = time.Time{}
}

func (l *replayLog) add(kind lineKind, format string, args ...any) {
	l.put(replayLine{kind: kind, text: fmt.Sprintf(format, args...)})
}

func (l *replayLog) put(line replayLine) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.since.IsZero() {
		return
	}
	line.at = time.Since(l.since)
	l.step = append(l.step, line)
}

// flush is called after each step.
func (l *replayLog) flush() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.step) == 0 {
		return
	}
	slices.SortStableFunc(l.step, func(a, b replayLine) int { return cmp.Compare(a.kind, b.kind) })
	first := l.step[0]
	if l.idle != nil && first.kind > lineIn {
		l.done = append(l.done, *l.idle)
	}
	l.idle = nil
	if first.idle && len(l.step) == 1 {
		l.idle = &first
	} else {
		l.done = append(l.done, l.step...)
	}
	l.step = nil
}

// rest is called when nothing more happens without time passing.
func (l *replayLog) rest() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.idle = nil
}

func (l *replayLog) text() string {
	var b strings.Builder
	last := ""
	for _, line := range l.done {
		at := short(line.at).String()
		if at == last {
			at = "" // it is written once
		} else {
			last = at
		}
		fmt.Fprintf(&b, "%-8s%-6v%s\n", at, line.kind, line.text)
	}
	return b.String()
}

// short rounds a duration to milliseconds: each step of the conductor takes a nanosecond.
func short(d time.Duration) time.Duration { return d.Round(time.Millisecond) }
