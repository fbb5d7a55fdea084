package process

import (
	"time"

	pa "github.com/asynkron/protoactor-go/actor"
)

// Notify sends a message that may be lost: unlike actor.Send, it makes no dead letter of a message
// to an actor that has ended.
func Notify(sys *pa.ActorSystem, to *pa.PID, message any) {
	if p, ok := sys.ProcessRegistry.Get(to); ok {
		p.SendUserMessage(to, message)
	}
}

// System sends a message that overtakes those of the user. It does nothing if the actor has ended.
func System(sys *pa.ActorSystem, to *pa.PID, message any) {
	if p, ok := sys.ProcessRegistry.Get(to); ok {
		p.SendSystemMessage(to, message)
	}
}

// SendLast is actor.Send for a goroutine that has nothing else to do. An idle actor processes the
// message, and those that come meanwhile, on the goroutine of the caller, which saves another one.
//
// SendLast may take as long as the actor does. It does not return if the actor's code calls
// runtime.Goexit. An actor with a mailbox of protoactor-go's sees a sender that does not exist.
func SendLast(sys *pa.ActorSystem, to *pa.PID, message any) {
	envelope := &pa.MessageEnvelope{Message: message, Sender: lastSender}
	if to == nil {
		sys.DeadLetter.SendUserMessage(nil, envelope)
		return
	}
	sys.Root.Send(to, envelope)
}

// lastSender marks the messages of SendLast.
var lastSender = pa.NewPID("nobody", "last")

// Last returns the message that [SendLast] has sent in envelope, and false for any other message.
func Last(envelope any) (message any, ok bool) {
	e, ok := envelope.(*pa.MessageEnvelope)
	if !ok || e.Sender != lastSender {
		return nil, false
	}
	return e.Message, true
}

// SendAfter sends message to the actor that ctx belongs to, after d. The timer does not end with
// the actor. A message that comes after the actor's end is lost. It is no dead letter, and an actor
// of the same name does not get it. The message of a timer that was stopped may already be in the
// mailbox, so it must show whether it is stale. See actor.StartTimer for timers without these
// edges.
func SendAfter(ctx pa.Context, d time.Duration, message any) *time.Timer {
	sys, self := ctx.ActorSystem(), ctx.Self()
	own := processAt(sys, self)
	return time.AfterFunc(d, func() {
		if now := processAt(sys, self); now != nil && now == own {
			now.SendUserMessage(self, message)
		}
	})
}

// processAt returns the process of the actor at pid, or nil. Actors of the same name have different
// processes.
func processAt(sys *pa.ActorSystem, pid *pa.PID) *pa.ActorProcess {
	p, _ := sys.ProcessRegistry.Get(pid)
	process, _ := p.(*pa.ActorProcess)
	return process
}

// Each posts each message of a batch, as a mailbox of protoactor-go does before the batch itself.
// It does nothing for other messages.
func Each(msg any, post func(any)) {
	batch, ok := msg.(pa.MessageBatch)
	if env, enveloped := msg.(*pa.MessageEnvelope); enveloped {
		batch, ok = env.Message.(pa.MessageBatch)
	}
	if ok {
		for _, one := range batch.GetMessages() {
			post(one)
		}
	}
}
