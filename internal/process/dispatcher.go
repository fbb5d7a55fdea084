package process

import (
	pa "github.com/asynkron/protoactor-go/actor"
	"github.com/asynkron/protoactor-go/extensions"
)

var dispatcherID = extensions.NextExtensionID()

type dispatcherExtension struct{ pa.Dispatcher }

// ExtensionID returns the key of the extension.
func (*dispatcherExtension) ExtensionID() extensions.ExtensionID { return dispatcherID }

// SetDispatcher makes d the dispatcher of sys. It must be called before sys is shared: the table of
// extensions has no lock.
func SetDispatcher(sys *pa.ActorSystem, d pa.Dispatcher) {
	sys.Extensions.Register(&dispatcherExtension{d})
}

// DispatcherOf returns the dispatcher that [SetDispatcher] gave sys, or else the given one.
func DispatcherOf(sys *pa.ActorSystem, or pa.Dispatcher) pa.Dispatcher {
	if d, ok := sys.Extensions.Get(dispatcherID).(*dispatcherExtension); ok {
		return d.Dispatcher
	}
	return or
}

// Go runs f on the dispatcher of sys, or on a goroutine of its own if sys has none. f must not
// panic.
func Go(sys *pa.ActorSystem, f func()) {
	if d := DispatcherOf(sys, nil); d != nil {
		d.Schedule(f)
		return
	}
	go f()
}
