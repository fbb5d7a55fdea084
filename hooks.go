package gentask

import (
	"context"
	"log/slog"
	"runtime"
	"time"

	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/internal/feed"
	"github.com/gentask/gentask/internal/guard"
)

const (
	// keyLimit, retryLimit and failureLimit bound a call of a key function, of a function of
	// a Rule, and of Policy.Failure.
	keyLimit     = time.Second
	retryLimit   = time.Second
	failureLimit = time.Second

	// factoryLimit bounds a call of the factory of Actor, with the decoding of its payload.
	factoryLimit = 3 * time.Second

	// storeTime bounds a call of a DedupStore.
	storeTime = 3 * time.Second

	// logLimit bounds a call of the logger of LogRuns.
	logLimit = time.Second

	// stuckAfter is how long a call of OnEvent, a subscriber or the Logger may take before it
	// counts as hung.
	stuckAfter = time.Second

	// hookTime is how long Stop waits for one call of a subscriber or the Logger. As long as the
	// calls return, it waits until everything has been delivered.
	hookTime = 5 * time.Second
)

// hooks are the guards through which a consumer calls the user's functions.
type hooks struct {
	*guard.Host
	onEvent, subscribe, logger, logRuns        *guard.Hook
	order, fairness, keyRate, keyBreaker       *guard.Hook
	fleetKey                                   *guard.Hook
	match, backoff, failure                    *guard.Hook
	done, remember                             *guard.Hook
	factory, handle, waiting, closing, driving *guard.Hook
	standing                                   *guard.Hook

	logs *feed.Handler // nil if all logs are discarded
}

func newHooks() *hooks {
	h := &hooks{Host: guard.NewHost(actor.Recovered)}
	h.onEvent, h.subscribe = h.Hook("Config.OnEvent", 0), h.Hook("Consumer.Subscribe", 0)
	h.logger, h.logRuns = h.Hook("Config.Logger", 0), h.Hook("LogRuns", logLimit)
	h.order, h.fairness = h.Hook("Order.Key", keyLimit), h.Hook("Fairness.Key", keyLimit)
	h.keyRate, h.keyBreaker = h.Hook("KeyRate.Key", keyLimit), h.Hook("KeyBreaker.Key", keyLimit)
	h.fleetKey = h.Hook("Fleet.PerKey.Key", keyLimit)
	h.match, h.backoff = h.Hook("Rule.When", retryLimit), h.Hook("Rule.Backoff", retryLimit)
	h.failure = h.Hook("Policy.Failure", failureLimit)
	h.done, h.remember = h.Hook("DedupStore.Done", storeTime), h.Hook("DedupStore.Remember", storeTime)
	h.factory, h.handle = h.Hook("Actor", factoryLimit), h.Hook("HandleResult", handleLimit)
	h.waiting, h.closing = h.Hook("BacklogReporter.Backlog", backlogTime), h.Hook("Session.Close", 0)
	h.driving, h.standing = h.Hook("Session", 0), h.Hook("Session.Standby", backlogTime)
	return h
}

// log returns a Logger in front of the one in Config. A discarding one is returned as it is.
func (h *hooks) log(logger *slog.Logger) *slog.Logger {
	if logger.Handler() == slog.DiscardHandler {
		return logger
	}
	h.logs = feed.NewHandler(h.logger, logger.Handler())
	return slog.New(h.logs)
}

// hostedFunc is hostedRun for ActorJob.Run.
//
//go:noinline
func hostedFunc(ctx context.Context, h *guard.Host, f func(context.Context) (any, error)) (any, error) {
	v, err := f(ctx)
	runtime.KeepAlive(h)
	return v, err
}
