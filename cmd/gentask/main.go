// Gentask sees and steers jobs over any broker: RabbitMQ, NATS JetStream, PostgreSQL, or the
// directory of an embedded broker.
//
//	gentask --url amqp://guest:guest@localhost:5672/ queues emails
//	gentask --url nats://localhost:4222 letters list --group emails
//	gentask --url postgres://localhost/app run emails -- ./send-email
//
// docs/cli.md describes all commands.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	_ "time/tzdata" // for plans, on machines without a data base of time zones

	"github.com/gentask/gentask/cmd/gentask/internal/broker"
	"github.com/gentask/gentask/cmd/gentask/internal/command"
	"github.com/gentask/gentask/isolate"
)

//go:generate go run ./internal/manual/write ../../docs/cli.md gentask.1

func main() {
	isolate.Main() // the command run has a process that ends its programs if this one is killed
	ctx, cancel := context.WithCancelCause(context.Background())
	hurry := make(chan struct{})
	go obey(cancel, hurry)
	os.Exit(command.Main(ctx, command.Program{
		Args: os.Args, In: os.Stdin, Out: os.Stdout, Err: os.Stderr, Hurry: hurry, Open: broker.Open,
	}))
}

// obey ends the command at the first signal, hurries it at the second one, and lets the third one
// end the process.
func obey(cancel context.CancelCauseFunc, hurry chan<- struct{}) {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	<-signals
	cancel(command.Interrupted())
	<-signals
	close(hurry)
	signal.Reset(os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
}
