package actor

import (
	"log/slog"
	"sync"
	"time"

	pa "github.com/asynkron/protoactor-go/actor"
	"github.com/asynkron/protoactor-go/eventstream"

	"github.com/gentask/gentask/internal/process"
)

const (
	deadLettersLogged = 3           // at most, in each deadLettersTime
	deadLettersTime   = time.Second // protoactor-go has the same bounds
)

// deadLetters handles messages to actors that have ended, instead of protoactor-go's own handlers.
// Those keep a goroutine for a second after each burst of them. It would outlive the last actor,
// and so fail tests that look for goroutines that are left, or run in a bubble of fake time.
type deadLetters struct {
	sys *pa.ActorSystem

	mu     sync.Mutex
	since  time.Time
	logged int
	silent int // not logged, since then
}

// handleDeadLetters prepares a system that is not in use yet.
func handleDeadLetters(sys *pa.ActorSystem) {
	sys.EventStream = eventstream.NewEventStream()
	pa.SubscribeSupervision(sys)
	d := &deadLetters{sys: sys}
	sys.EventStream.Subscribe(func(event any) {
		if letter, ok := event.(*pa.DeadLetterEvent); ok {
			d.handle(letter)
		}
	})
}

// handle answers a request, and a watch of an actor that is gone, and logs what a program lost.
func (d *deadLetters) handle(letter *pa.DeadLetterEvent) {
	if letter.Sender != nil {
		d.sys.Root.Send(letter.Sender, &pa.DeadLetterResponse{})
	}
	if watch, ok := letter.Message.(*pa.Watch); ok {
		process.System(d.sys, watch.Watcher, &pa.Terminated{Who: letter.PID, Why: pa.TerminatedReason_NotFound})
	}
	if _, ignored := letter.Message.(pa.IgnoreDeadLetterLogging); ignored ||
		letter.Sender != nil && !d.sys.Config.DeadLetterRequestLogging {
		return
	}
	if silent, log := d.admit(time.Now()); log {
		d.sys.Logger().Info("[DeadLetter]", slog.Any("pid", letter.PID), slog.Any("message", letter.Message),
			slog.Any("sender", letter.Sender), slog.Int("not_logged_before", silent))
	}
}

// admit reports whether a dead letter is logged, and how many were not since the last one that was.
func (d *deadLetters) admit(now time.Time) (silent int, log bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if now.Sub(d.since) >= deadLettersTime {
		d.since, d.logged = now, 0
	}
	if d.logged == deadLettersLogged {
		d.silent++
		return 0, false
	}
	silent, d.silent = d.silent, 0
	d.logged++
	return silent, true
}
