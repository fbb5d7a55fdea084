package doctor

import (
	"context"
	"errors"
	"fmt"
	"time"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// roomOfLetter is how much larger than its message a dead letter may be: reason, stack and log.
const roomOfLetter = 24 << 10

// nearlyFull is the part of a limit from which on it is a risk.
const nearlyFull = 0.8

// jetStream looks at a JetStream server.
func (e *examination) jetStream(ctx context.Context) {
	conn, err := natsgo.Connect(e.URL, natsgo.Name("gentask doctor"), natsgo.Timeout(e.Patience), natsgo.NoReconnect())
	if err != nil {
		e.failed(Wrong, "connection", err, "is the server there, and are user, password or token right?")
		return
	}
	defer conn.Close()
	e.address("tls", "wss")
	e.natsServer(conn)
	js, err := jetstream.New(conn)
	if err != nil {
		e.failed(Wrong, "JetStream", err, "start the server with -js")
		return
	}
	ctx, cancel := e.bounded(ctx)
	defer cancel()
	if !e.natsAccount(ctx, js) {
		return
	}
	clustered := conn.ConnectedClusterName() != ""
	for _, name := range e.Queues {
		e.natsStream(ctx, js, name, clustered)
	}
	if !clustered {
		e.add(Risk, "servers", "one, without a cluster",
			"run three servers with nats.Config.Replicas of 3, if queues must be there while one is down")
	}
	e.add(Unknown, "sync_interval", "the server shows it at its monitoring port only",
		"set it to always, or replicate: by default a power cut loses what was confirmed in the last 2 minutes")
}

// natsServer looks at the version and the limits of the server.
func (e *examination) natsServer(conn *natsgo.Conn) {
	version := conn.ConnectedServerVersion()
	is := "nats-server " + version
	switch {
	case older(version, "2.10.16"):
		e.add(Wrong, "server", is, "use 2.10.16 or newer: an earlier one loses redeliveries for a while")
	case older(version, "2.11"):
		e.add(Risk, "server", is, "use 2.11 or newer: stores, and so fleets and stored plans, need it")
	default:
		e.add(Fine, "server", is, "")
	}
	most := conn.MaxPayload()
	e.is(most < 4*roomOfLetter, Risk, "max_payload", fmt.Sprintf("%d KiB", most>>10),
		"raise it: a dead letter is its message and up to 24 KiB more; what does not fit is left out, never the body")
	if rtt, err := conn.RTT(); err == nil {
		e.is(rtt > 100*time.Millisecond, Risk, "round trip", rtt.Round(time.Microsecond).String(),
			"set Prefetch to hide it: Concurrency x (1 + round trip / run time)")
	}
}

// natsAccount looks at the limits of the account, and reports whether there is a JetStream.
func (e *examination) natsAccount(ctx context.Context, js jetstream.JetStream) bool {
	info, err := js.AccountInfo(ctx)
	switch {
	case errors.Is(err, jetstream.ErrJetStreamNotEnabled) || errors.Is(err, jetstream.ErrJetStreamNotEnabledForAccount):
		e.failed(Wrong, "JetStream", err, "start the server with -js, and enable it for the account")
		return false
	case err != nil:
		e.failed(Unknown, "limits of the account", err,
			"grant the right to publish to $JS.API.INFO, if doctor should see them")
		return true
	}
	full := func(used, most uint64, limit int64, what string) {
		if limit <= 0 {
			return
		}
		part := float64(max(used, most)) / float64(limit)
		e.is(part > nearlyFull, Risk, what, fmt.Sprintf("%.0f%% of the limit", 100*part),
			"raise the limit of the account: a full one refuses messages")
	}
	full(info.Store, info.ReservedStore, info.Limits.MaxStore, "storage of the account")
	full(info.Memory, info.ReservedMemory, info.Limits.MaxMemory, "memory of the account")
	full(uint64(max(info.Streams, 0)), 0, int64(info.Limits.MaxStreams),
		"streams of the account") //nolint:gosec // not negative
	return true
}

// natsStream looks at the stream of a queue.
func (e *examination) natsStream(ctx context.Context, js jetstream.JetStream, name string, clustered bool) {
	what := fmt.Sprintf("queue %q", name)
	before := time.Now()
	stream, err := js.Stream(ctx, name)
	after := time.Now()
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return // the look at the queue has it
	}
	if err != nil {
		e.failed(Unknown, what, err, "grant the right to publish to $JS.API.STREAM.INFO."+name)
		return
	}
	info := stream.CachedInfo()
	if !info.TimeStamp.IsZero() {
		e.skew(what+", clock of the server", aheadOf(info.TimeStamp, before, after))
	}
	e.is(clustered && info.Config.Replicas == 1, Risk, what, fmt.Sprintf("%d replicas", info.Config.Replicas),
		"set nats.Config.Replicas to 3: with the loss of one server the queue is away, or lost")
	for limit, part := range map[string]float64{
		"max_bytes": used(float64(info.State.Bytes), float64(info.Config.MaxBytes)),
		"max_msgs":  used(float64(info.State.Msgs), float64(info.Config.MaxMsgs)),
	} {
		if part > nearlyFull {
			e.add(Risk, what, fmt.Sprintf("%.0f%% of its %s", 100*part, limit),
				"raise it: a full stream refuses messages")
		}
	}
	consumer, err := stream.Consumer(ctx, "gentask")
	if err == nil {
		c := consumer.CachedInfo()
		e.is(c.Paused, Risk, what, "its consumer is paused at the server", "nats consumer resume")
	}
}

// used returns which part of a limit is used; 0 without a limit.
func used(n, limit float64) float64 {
	if limit <= 0 {
		return 0
	}
	return n / limit
}
