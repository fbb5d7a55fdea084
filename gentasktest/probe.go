package gentasktest

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/gentask/gentask/actor"
)

// Probe is an actor that records the messages that it gets, for tests of actors that send. Its
// methods, and the functions [Expect], [ExpectThat] and [Fish], take the messages in the order in
// which they came, each once. They must be called by one goroutine at a time, that of the test.
//
// A failed expectation ends the test, and shows the messages that came instead. In a bubble of
// testing/synctest waiting costs no time. A limit of zero or less looks at the messages that have
// come already: call synctest.Wait before.
type Probe struct {
	t    TB
	sys  *actor.System
	pid  *actor.PID
	last *actor.PID

	mu   sync.Mutex
	box  []letter
	past []any         // messages that were taken last, for failures
	news chan struct{} // holds one if a message has come since the last look
}

// letter is a message with its sender, which may be nil.
type letter struct {
	message any
	sender  *actor.PID
}

// NewProbe spawns a probe. If t has a method Cleanup, as a testing.TB has, the probe ends with the
// test. Otherwise call [Probe.Stop].
func NewProbe(t TB, sys *actor.System) *Probe {
	t.Helper()
	p := &Probe{t: t, sys: sys, news: make(chan struct{}, 1)}
	p.pid = actor.SpawnRoot(sys, actor.FromFunc(p.receive), "probe")
	if t, ok := t.(interface{ Cleanup(func()) }); ok {
		t.Cleanup(p.Stop)
	}
	return p
}

// Stop ends the probe. Messages that come later are dead letters.
func (p *Probe) Stop() { actor.Stop(p.sys, p.pid) }

// PID returns the probe's address. Give it to the actors under test.
func (p *Probe) PID() *actor.PID { return p.pid }

// receive is the probe's actor. It records all but the messages about its own life.
func (p *Probe) receive(ctx actor.Context) {
	switch ctx.Message().(type) {
	case *actor.Started, *actor.Stopping, *actor.Stopped:
		return
	}
	p.mu.Lock()
	p.box = append(p.box, letter{ctx.Message(), ctx.Sender()})
	p.mu.Unlock()
	select {
	case p.news <- struct{}{}:
	default:
	}
}

// Watch makes the probe get one [*actor.Exited] when the actor pid has ended: see
// [Probe.ExpectExit]. If no actor lives at pid, that comes at once, with [actor.ErrNoProcess].
func (p *Probe) Watch(pid *actor.PID) { actor.Monitor(p.sys, p.pid, pid) }

// Send sends message to the actor to, with the probe as the sender.
func (p *Probe) Send(to *actor.PID, message any) {
	p.sys.Root.RequestWithCustomSender(to, message, p.pid)
}

// LastSender returns the sender of the message that was taken last, or nil if that had none.
func (p *Probe) LastSender() *actor.PID { return p.last }

// Reply sends message to [Probe.LastSender], with the probe as the sender. It ends the test if
// there is none.
func (p *Probe) Reply(message any) {
	p.t.Helper()
	if p.last == nil {
		p.t.Fatalf("gentasktest: probe can't reply with %s: the message that was taken last has no sender; "+
			"want one that was sent with ctx.Request%s", show(message), p.taken())
		return
	}
	p.Send(p.last, message)
}

// ExpectSilence ends the test if a message waits, or comes within d.
func (p *Probe) ExpectSilence(d time.Duration) {
	p.t.Helper()
	if l, ok := p.next(d); ok {
		p.t.Fatalf("gentasktest: probe expected silence for %v, and got %s%s", d, show(l.message), p.taken())
	}
}

// ExpectExit expects that the next message, within the given time, is the [*actor.Exited] of the
// watched actor pid. It returns the reason, which is nil for a normal end.
func (p *Probe) ExpectExit(pid *actor.PID, within time.Duration) error {
	p.t.Helper()
	exited, _ := expect(p, "*actor.Exited of "+pid.GetId(), within, func(e *actor.Exited) bool {
		return e.PID.GetId() == pid.GetId() && e.PID.GetAddress() == pid.GetAddress()
	})
	if exited == nil {
		return nil
	}
	return exited.Reason
}

// Expect expects that the next message, within the given time, is a T, and returns it.
func Expect[T any](p *Probe, within time.Duration) T {
	p.t.Helper()
	message, _ := expect(p, nameOf[T](), within, func(T) bool { return true })
	return message
}

// ExpectThat expects that the next message, within the given time, is a T of which ok is true, and
// returns it.
func ExpectThat[T any](p *Probe, within time.Duration, ok func(T) bool) T {
	p.t.Helper()
	message, _ := expect(p, nameOf[T]()+" that fulfils the condition", within, ok)
	return message
}

// Fish waits, within the given time, for a T of which ok is true, and returns it. The messages
// before it are dropped. A nil ok takes the first T.
func Fish[T any](p *Probe, within time.Duration, ok func(T) bool) T {
	p.t.Helper()
	deadline := time.Now().Add(within)
	for passed := 0; ; passed++ {
		l, came := p.next(time.Until(deadline))
		if !came {
			p.t.Fatalf("gentasktest: probe fished for %s for %v, and threw away %d messages%s",
				nameOf[T](), within, passed, p.taken())
			return *new(T)
		}
		if message, is := l.message.(T); is && (ok == nil || ok(message)) {
			return message
		}
	}
}

// expect returns false if it has failed the test.
func expect[T any](p *Probe, what string, within time.Duration, ok func(T) bool) (message T, met bool) {
	p.t.Helper()
	l, came := p.next(within)
	if !came {
		p.t.Fatalf("gentasktest: probe expected %s within %v, and nothing came%s", what, within, p.taken())
		return message, false
	}
	if m, is := l.message.(T); is && ok(m) {
		return m, true
	}
	p.t.Fatalf("gentasktest: probe expected %s, and got %s%s", what, show(l.message), p.taken())
	return message, false
}

// next takes the oldest message, and waits for one if there is none.
func (p *Probe) next(within time.Duration) (l letter, ok bool) {
	var limit <-chan time.Time
	for {
		if l, ok = p.take(); ok || within <= 0 {
			return l, ok
		}
		if limit == nil {
			limit = time.After(within)
		}
		select {
		case <-p.news:
		case <-limit:
			return p.take()
		}
	}
}

func (p *Probe) take() (l letter, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.box) == 0 {
		return l, false
	}
	l, p.box = p.box[0], p.box[1:]
	p.last = l.sender
	p.past = append(p.past, l.message)
	p.past = p.past[max(0, len(p.past)-maxShown):]
	return l, true
}

// maxShown is how many messages a failure shows.
const maxShown = 10

// taken returns, for a failure, the messages that were taken last and those that wait.
func (p *Probe) taken() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	waiting := make([]any, 0, maxShown)
	for _, l := range p.box[:min(len(p.box), maxShown)] {
		waiting = append(waiting, l.message)
	}
	return list("taken so far, the last one last", p.past) + list(fmt.Sprintf("waiting (%d)", len(p.box)), waiting)
}

func list(title string, messages []any) string {
	if len(messages) == 0 {
		return ""
	}
	lines := []string{"\n  " + title + ":"}
	for _, m := range messages {
		lines = append(lines, show(m))
	}
	return strings.Join(lines, "\n    ")
}

// show returns the type of a message, and the beginning of its value.
func show(message any) string {
	const most = 200
	if message == nil {
		return "nil"
	}
	text := fmt.Sprintf("%T %+v", message, message)
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "..."
	}
	return text
}

// nameOf returns the name of T, also of an interface.
func nameOf[T any]() string { return strings.TrimPrefix(fmt.Sprintf("%T", new(T)), "*") }
