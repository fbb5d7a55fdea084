package actor

import (
	"context"
	"log/slog"
	"strconv"
	"time"

	pa "github.com/asynkron/protoactor-go/actor"
	"github.com/asynkron/protoactor-go/extensions"

	"github.com/gentask/gentask/internal/feed"
	"github.com/gentask/gentask/internal/guard"
)

// What users of actors meet is protoactor-go's own.
type (
	// Actor is anything with a Receive method.
	Actor = pa.Actor
	// Context is what an actor gets with each message.
	Context = pa.Context
	// PID is an actor's address.
	PID = pa.PID
	// Props say how to make an actor.
	Props = pa.Props
	// ReceiveFunc is an actor in one function.
	ReceiveFunc = pa.ReceiveFunc
	// System is where actors live. One for each process is enough.
	System = pa.ActorSystem

	// Started is the first message of every actor.
	Started = pa.Started
	// Stopping comes before an actor's children are stopped.
	Stopping = pa.Stopping
	// Stopped is the last message of every actor; its children are gone.
	Stopped = pa.Stopped
)

// Dispatcher decides on which goroutine an actor's mailbox runs.
type Dispatcher = pa.Dispatcher

// SystemConfig configures NewSystem. The zero value is right.
type SystemConfig struct {
	// Logger gets what protoactor-go has to say, at Info and above. Nil discards it: protoactor-go logs at start and for each dead letter.
	// Its handler is called on a goroutine of its own; while it blocks, up to 2,048 records wait, and further ones are lost. A value
	// in a record is replaced by its type, unless it is plain.
	Logger *slog.Logger

	// Dispatcher runs all actors and routines of this package in the system. Nil runs each on
	// goroutines of its own. A dispatcher that queues the functions, and runs them one by one in
	// the order of a seed, makes a deterministic simulation; with a Throughput of 1 each of them
	// processes one message. Schedule must run each function once, now or later; if it panics
	// instead, the function runs on a goroutine of its own.
	Dispatcher Dispatcher
}

// NewSystem makes an actor system for programs that have none yet. It costs about 3 MB. There is nothing to shut down: stop what was
// spawned in it.
func NewSystem(cfg SystemConfig) *System {
	logger := contained(cfg.Logger)
	sys := pa.NewActorSystem(pa.WithLoggerFactory(func(*pa.ActorSystem) *slog.Logger { return logger }))
	if strconv.IntSize == 32 {
		mend32(sys)
	}
	if cfg.Dispatcher != nil {
		// Registered before the system is shared: the extension table of protoactor-go is not locked.
		sys.Extensions.Register(&dispatcherExtension{cfg.Dispatcher})
	}
	if h, ok := logger.Handler().(*feed.Handler); ok {
		_ = h.Wait(context.Background(), time.Second) // it says hello; one that doesn't return is left alone
	}
	return sys
}

// contained returns a logger whose handler can't harm the actors that log.
func contained(logger *slog.Logger) *slog.Logger {
	if logger == nil {
		return slog.New(slog.DiscardHandler)
	}
	switch h := logger.Handler().(type) {
	case *feed.Handler:
		return logger // it is contained
	default:
		if h == slog.DiscardHandler {
			return logger
		}
		hook := guard.NewHost(Recovered).Hook("SystemConfig.Logger", 0)
		return slog.New(feed.NewHandler(hook, h).Foreign())
	}
}

var dispatcherID = extensions.NextExtensionID()

type dispatcherExtension struct{ Dispatcher }

func (*dispatcherExtension) ExtensionID() extensions.ExtensionID { return dispatcherID }

// dispatcherOf returns the system's own dispatcher, or else the given one.
func dispatcherOf(sys *System, or Dispatcher) Dispatcher {
	if d, ok := sys.Extensions.Get(dispatcherID).(*dispatcherExtension); ok {
		return d.Dispatcher
	}
	return or
}

// FromFunc returns Props for an actor in one function. The function is shared by all actors spawned from the Props.
func FromFunc(f ReceiveFunc) *Props {
	return FromProducer(func() Actor { return f })
}

// FromProducer returns Props for actors that produce makes, a new one for each spawn.
func FromProducer(produce func() Actor) *Props {
	return pa.PropsFromProducer(produce, pa.WithMailbox(newMailbox), pa.WithSupervisor(stopStrategy{}))
}

// stopStrategy stops a failed child that was spawned with a mailbox of protoactor-go's. Its default would restart the child in place, ten
// times in ten seconds, and drop the message that it failed on.
type stopStrategy struct{}

func (stopStrategy) HandleFailure(_ *System, sv pa.Supervisor, child *PID, _ *pa.RestartStatistics, _, _ any) {
	sv.StopChildren(child)
}

// Send posts message to the mailbox of to, from anywhere. It never blocks. A message to an actor that is gone, or to nil, is a dead letter.
func Send(sys *System, to *PID, message any) {
	if to == nil {
		sys.DeadLetter.SendUserMessage(nil, message)
		return
	}
	sys.Root.Send(to, message)
}

// Notify is Send for a message that nobody misses: unlike Send, it makes no dead letter of it when the addressee is gone.
func Notify(sys *System, to *PID, message any) {
	if p, ok := sys.ProcessRegistry.Get(to); ok {
		p.SendUserMessage(to, message)
	}
}

// SendLast is Send for a goroutine that has nothing else to do: if the actor is idle, it processes the message, and what comes meanwhile, on the
// caller's goroutine, which saves another one. So it may take as long as the actor does, and may not return at all, if the actor's code calls
// runtime.Goexit. A receiver with a mailbox of protoactor-go's sees a sender that nobody is.
func SendLast(sys *System, to *PID, message any) {
	Send(sys, to, &pa.MessageEnvelope{Message: message, Sender: lastSender})
}

// lastSender marks the messages of SendLast.
var lastSender = pa.NewPID("nobody", "last")

// sendSystem posts a message that overtakes the user's. An actor that is gone is left in peace.
func sendSystem(sys *System, to *PID, message any) {
	if p, ok := sys.ProcessRegistry.Get(to); ok {
		p.SendSystemMessage(to, message)
	}
}

// Alive says whether an actor is registered under pid. It can be gone a moment later.
func Alive(sys *System, pid *PID) bool {
	_, ok := sys.ProcessRegistry.Get(pid)
	return ok
}
