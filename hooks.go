package gentask

import (
	"context"
	"log/slog"
	"runtime"
	"time"

	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/internal/feed"
	"github.com/gentask/gentask/internal/guard"
	"github.com/gentask/gentask/task"
)

const (
	// keyLimit, retryLimit and failureLimit are how long a key function, a function of Policy.Retry and
	// Policy.Failure may take.
	keyLimit     = time.Second
	retryLimit   = time.Second
	failureLimit = time.Second

	// factoryLimit is how long the factory of Actor may take, its payload's decoding included.
	factoryLimit = 3 * time.Second

	// logLimit is how long the logger of LogRuns may take.
	logLimit = time.Second

	// stuckAfter is how long OnEvent, a subscriber or the Logger may take until they count as hung.
	stuckAfter = time.Second

	// hookTime is how long Stop waits for one call of a subscriber or the Logger. As long as they return,
	// it waits until they have been told everything.
	hookTime = 5 * time.Second
)

// hooks are what a consumer calls functions of the user's through.
type hooks struct {
	*guard.Host
	onEvent, subscribe, logger, logRuns        *guard.Hook
	order, fairness, keyRate, keyBreaker       *guard.Hook
	match, backoff, failure                    *guard.Hook
	done, remember                             *guard.Hook
	factory, handle, waiting, closing, driving *guard.Hook

	logs *feed.Handler // nil if everything is discarded
}

func newHooks() *hooks {
	h := &hooks{Host: guard.NewHost(actor.Recovered)}
	h.onEvent, h.subscribe = h.Hook("Config.OnEvent", 0), h.Hook("Consumer.Subscribe", 0)
	h.logger, h.logRuns = h.Hook("Config.Logger", 0), h.Hook("LogRuns", logLimit)
	h.order, h.fairness = h.Hook("Order.Key", keyLimit), h.Hook("Fairness.Key", keyLimit)
	h.keyRate, h.keyBreaker = h.Hook("KeyRate.Key", keyLimit), h.Hook("KeyBreaker.Key", keyLimit)
	h.match, h.backoff = h.Hook("Rule.When", retryLimit), h.Hook("Retry.Backoff", retryLimit)
	h.failure = h.Hook("Policy.Failure", failureLimit)
	h.done, h.remember = h.Hook("DedupStore.Done", storeTime), h.Hook("DedupStore.Remember", storeTime)
	h.factory, h.handle = h.Hook("Actor", factoryLimit), h.Hook("HandleResult", handleLimit)
	h.waiting, h.closing = h.Hook("BacklogReporter.Backlog", backlogTime), h.Hook("Session.Close", 0)
	h.driving = h.Hook("Session", 0)
	return h
}

// log returns a Logger in front of the user's. What discards everything needs none.
func (h *hooks) log(logger *slog.Logger) *slog.Logger {
	if logger.Handler() == slog.DiscardHandler {
		return logger
	}
	h.logs = feed.NewHandler(h.logger, logger.Handler())
	return slog.New(h.logs)
}

// systemLog is the Logger of the actor system that Start makes.
func (s *settings) systemLog() *slog.Logger {
	if s.hooks.logs == nil {
		return s.Logger
	}
	foreign := s.hooks.logs.Foreign()
	if s.byDefault {
		foreign = foreign.AtLeast(slog.LevelWarn)
	}
	return slog.New(foreign)
}

// flush returns when subscribers and Logger have been told everything, but for those that hang, or when
// ctx ends.
func (c *Consumer) flush(ctx context.Context) {
	c.events.wait(ctx)
	if logs := c.cfg.hooks.logs; logs != nil {
		_ = logs.Wait(ctx, hookTime) // in vain: it is counted
	}
}

// HookHealth is how the calls of a function that was handed in have ended, where that was not by
// returning in time.
type HookHealth struct {
	// Failed is how many calls panicked or called runtime.Goexit, and Late how many did not return in
	// time.
	Failed, Late int

	// Hung is how many of the late ones still run. At 16 the function is not called any more until one of
	// them returns.
	Hung int

	// Refused is how many calls were not made for that reason.
	Refused int

	// Lost is how many events or log records were dropped because too many waited for the function.
	Lost int
}

// hooksHealth returns what there is to tell of the functions that were handed in, by name.
func (c *Consumer) hooksHealth() map[string]HookHealth {
	h := c.cfg.hooks
	var all map[string]HookHealth
	note := func(name string, s HookHealth) {
		if all == nil {
			all = map[string]HookHealth{}
		}
		all[name] = s
	}
	for name, s := range h.Stats() {
		note(name, HookHealth(s))
	}
	hung := func(name string) {
		s := all[name]
		s.Hung++
		note(name, s)
	}
	for _, one := range c.events.list() {
		if one.Stuck(stuckAfter) {
			hung(one.Name())
		}
	}
	if h.logs != nil && h.logs.Stuck(stuckAfter) {
		hung(h.logger.Name())
	}
	return all
}

// hostedRun runs a job, in its task. It is a frame of its own so that a Stop in it is recognized.
//
//go:noinline
func hostedRun(ctx context.Context, h *guard.Host, w *worker) (any, error) {
	v, err := w.execute(ctx, w.entry)
	runtime.KeepAlive(h) // or else a traceback might not know it any more
	return v, err
}

// hostedFunc is hostedRun for Job.Run.
//
//go:noinline
func hostedFunc(ctx context.Context, h *guard.Host, f func(context.Context) (any, error)) (any, error) {
	v, err := f(ctx)
	runtime.KeepAlive(h)
	return v, err
}

// hostedAsk asks HandleResult.
//
//go:noinline
func hostedAsk(h *guard.Host, w *worker, o *task.Outcome[any]) Decision {
	d := w.decide(w.entry, o)
	runtime.KeepAlive(h)
	return d
}

// leaveSeat counts a HandleResult that hangs. It still runs.
func (e *entry) leaveSeat() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.unseated = true
	e.cfg.hooks.handle.CountHung()
}

// returnedAfterAll is called when HandleResult is known to run no more.
func (e *entry) returnedAfterAll() {
	e.mu.Lock()
	hung := e.unseated
	e.unseated = false
	e.mu.Unlock()
	if hung {
		e.cfg.hooks.handle.CountReturned()
		e.incarnation.tell(&unblocked{})
	}
}
