package actor

import (
	"context"
	"log/slog"
	"strconv"
	"time"

	pa "github.com/asynkron/protoactor-go/actor"

	"github.com/gentask/gentask/internal/feed"
	"github.com/gentask/gentask/internal/guard"
	"github.com/gentask/gentask/internal/process"
)

// The types of actors are those of protoactor-go.
type (
	// Actor is a type with a Receive method.
	Actor = pa.Actor
	// Context is the context of an actor during a message.
	Context = pa.Context
	// PID is the address of an actor.
	PID = pa.PID
	// Props configure actors, and make them.
	Props = pa.Props
	// ReceiveFunc is an actor in one function.
	ReceiveFunc = pa.ReceiveFunc
	// System holds actors. A process needs one only.
	System = pa.ActorSystem

	// Started is the first message of every actor.
	Started = pa.Started
	// Stopping is sent before an actor's children are stopped.
	Stopping = pa.Stopping
	// Stopped is the last message of every actor. Its children have ended.
	Stopped = pa.Stopped
)

// Dispatcher chooses the goroutine that an actor's mailbox runs on.
type Dispatcher = pa.Dispatcher

// SystemConfig configures [NewSystem]. The zero value is ready to use.
type SystemConfig struct {
	// Logger gets the log of protoactor-go, at Info and above, which has a line for each dead
	// letter. Nil discards it. Its handler is called on a goroutine of its own. While it blocks, up
	// to 2,048 records wait, and further ones are lost. A value in a record is replaced by its
	// type, unless it is plain.
	Logger *slog.Logger

	// Dispatcher runs all actors and tasks of this module in the system. Nil runs each on
	// goroutines of its own.
	//
	// A dispatcher that runs the functions one by one, in the order of a seed, makes a
	// deterministic simulation. With a Throughput of 1, each function processes one message.
	//
	// Schedule must run each function once, now or later. If it panics instead, the function runs
	// on a goroutine of its own.
	Dispatcher Dispatcher
}

// NewSystem returns an actor system, for programs that have none yet. It costs about 3 MB. A system
// needs no shutdown: stop the actors in it.
func NewSystem(cfg SystemConfig) *System {
	logger := contained(cfg.Logger)
	sys := pa.NewActorSystem(pa.WithLoggerFactory(func(*pa.ActorSystem) *slog.Logger { return logger }))
	handleDeadLetters(sys)
	if strconv.IntSize == 32 {
		mend32(sys)
	}
	if cfg.Dispatcher != nil {
		process.SetDispatcher(sys, cfg.Dispatcher)
	}
	if h, ok := logger.Handler().(*feed.Handler); ok {
		_ = h.Wait(context.Background(), time.Second) // its greeting; a handler that doesn't return is left alone
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
		return logger // it can't harm them already
	default:
		if h == slog.DiscardHandler {
			return logger
		}
		hook := guard.NewHost(Recovered).Hook("SystemConfig.Logger", 0)
		return slog.New(feed.NewHandler(hook, h).Foreign())
	}
}

// FromFunc returns Props for an actor in one function. All actors of the Props share the function.
func FromFunc(f ReceiveFunc) *Props {
	return FromProducer(func() Actor { return f })
}

// FromProducer returns Props for actors that produce makes, one for each spawn.
func FromProducer(produce func() Actor) *Props {
	return pa.PropsFromProducer(produce, pa.WithMailbox(newMailbox), pa.WithSupervisor(stopStrategy{}))
}

// stopStrategy stops a failed child that was spawned with a mailbox of protoactor-go's. Its default
// would restart the child in place, ten times in ten seconds, and drop the message that it failed
// on.
type stopStrategy struct{}

func (stopStrategy) HandleFailure(_ *System, sv pa.Supervisor, child *PID, _ *pa.RestartStatistics, _, _ any) {
	sv.StopChildren(child)
}

// Send posts message to the mailbox of to, from any goroutine. It never blocks. A message to an
// actor that has ended, or to nil, is a dead letter.
func Send(sys *System, to *PID, message any) {
	if to == nil {
		sys.DeadLetter.SendUserMessage(nil, message)
		return
	}
	sys.Root.Send(to, message)
}

// Alive reports whether an actor is registered under pid. It can end a moment later.
func Alive(sys *System, pid *PID) bool {
	_, ok := sys.ProcessRegistry.Get(pid)
	return ok
}
