package gentask

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"time"

	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/queue/memory"
)

// replayPatience bounds how long a replay goes on after its last directive.
const replayPatience = time.Minute

// replay plays the script of one transcript, with one step at a time, in an order that repeats.
type replay struct {
	*conductor
	sys      *actor.System
	q        *memory.Queue
	cfg      Config
	consumer *Consumer   // nil before the start
	ledger   *ledger     // the last that was seen
	flows    bool        // a session was opened
	cut      bool        // the transcript ends with its last directive
	stuck    atomic.Bool // calls of Settle ignore their contexts, and don't return
	log      replayLog
	released chan struct{} // closed when what hangs must return
	stopped  chan struct{} // closed when Stop has returned; nil before it is called

	kind   string              // of the behaviour
	runs   map[string][]string // what each run of a job does, by ID
	asks   map[string][]string // what each call of HandleResult does
	actors map[string][]string // what each start of a worker of Actor does
}

func newReplay(sys *actor.System) *replay {
	p := &replay{
		conductor: newConductor(0), sys: sys, released: make(chan struct{}),
		runs: map[string][]string{}, asks: map[string][]string{}, actors: map[string][]string{},
	}
	p.order = nil // first come, first served
	p.q = memory.New(memory.Config{})
	p.cfg = Config{
		Name: "transcript", Concurrency: 1, System: sys, Logger: slog.New(slog.DiscardHandler),
		OnEvent: func(ev Event) { p.log.add(lineEvent, "%s", eventText(ev)) },
	}
	return p
}

// until goes on until done holds at rest, or for the limit.
func (p *replay) until(limit time.Duration, done func() bool) bool {
	end := time.Now().Add(limit)
	for {
		p.settle()
		if done != nil && done() {
			return true
		}
		left := time.Until(end)
		if left <= 0 {
			return false
		}
		p.idle(left)
	}
}

// settle goes on until nothing more happens without time passing.
func (p *replay) settle() {
	for more := true; more; {
		p.rest()
		p.log.flush()
		more = p.step()
	}
	p.log.rest()
}

// settledAll reports whether nothing is left to do.
func (p *replay) settledAll() bool {
	st := p.q.Stats()
	return p.over() || st.Ready+st.Delayed+st.Held == 0 && p.consumer.Health().Running == 0
}

func (p *replay) over() bool { return p.consumer.current().over() }

// state describes what has become of consumer and queue.
func (p *replay) state() string {
	h, st := p.consumer.Health(), p.q.Stats()
	text := fmt.Sprintf("%v, %d running, %d held; queue:", h.State, h.Running, h.Held)
	none := true
	for _, count := range []struct {
		n    int
		what string
	}{
		{st.Ready, "ready"},
		{st.Delayed, "delayed"},
		{st.Acked, "acknowledged"},
		{st.DeadLettered, "dead-lettered"},
	} {
		if count.n > 0 {
			text += fmt.Sprintf(" %d %s,", count.n, count.what)
			none = false
		}
	}
	if none {
		return text + " empty"
	}
	return strings.TrimSuffix(text, ",")
}

// end leaves nothing behind. None of it is in the transcript.
func (p *replay) end() {
	p.log.end()
	p.q.SetFaults(memory.Faults{})
	close(p.released)
	if p.consumer != nil {
		p.stop()
		p.until(5*time.Minute, p.over)
	}
	p.until(time.Minute, func() bool { return p.stopped == nil || isClosed(p.stopped) })
	p.q.Close()
	p.until(time.Minute, nil) // tasks that were abandoned return
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// stop begins to stop the consumer.
func (p *replay) stop() {
	if p.stopped != nil {
		return
	}
	p.stopped = make(chan struct{})
	p.conductor.start("stop", func() {
		defer close(p.stopped)
		_, _ = p.consumer.Stop(context.Background())
	})
}

// next takes the first of what was scripted for an ID; byDefault if nothing is left.
func (p *replay) next(script map[string][]string, id, byDefault string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	left := script[id]
	if len(left) == 0 {
		return byDefault
	}
	script[id] = left[1:]
	return left[0]
}
