package dashboard

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/internal/feed"
	"github.com/gentask/gentask/internal/guard"
)

// hookLimit is the longest time of a call of a user function, and logTime how long Close waits for
// one call of the logger.
const (
	hookLimit = 5 * time.Second
	logTime   = 5 * time.Second
)

// hooks are the guards through which the dashboard calls user functions.
type hooks struct {
	user                          *guard.Host // the functions of Config
	access, author, redact, audit *guard.Hook
	inspect, nodes, plans         *guard.Hook // of drivers
	letters, bulk, events         *guard.Hook
	log                           *slog.Logger
	logs                          *feed.Handler // nil if all logs are discarded
}

func newHooks(cfg *Config) *hooks {
	user, drivers := guard.NewHost(actor.Recovered), guard.NewHost(actor.Recovered)
	h := &hooks{
		user:   user,
		access: user.Hook("Config.Access", hookLimit), author: user.Hook("Config.Author", hookLimit),
		redact: user.Hook("Config.Redact", hookLimit), audit: user.Hook("Config.Audit", hookLimit),
		inspect: drivers.Hook("Queue.Inspect", hookLimit), nodes: drivers.Hook("Node", hookLimit),
		plans: drivers.Hook("Plans", hookLimit), log: cfg.Logger,
		letters: drivers.Hook("Queue.Letters", hookLimit), bulk: drivers.Hook("Queue.Letters", 0),
		events: drivers.Hook("Node.Events", 0),
	}
	if handler := cfg.Logger.Handler(); handler != slog.DiscardHandler {
		h.logs = feed.NewHandler(user.Hook("Config.Logger", 0), handler)
		h.log = slog.New(h.logs)
	}
	return h
}

// close waits for the logger. One that hangs is left behind.
func (h *hooks) close() {
	if h.logs != nil {
		_ = h.logs.Wait(context.Background(), logTime)
	}
}

func (h *hooks) health() map[string]gentask.HookHealth {
	var all map[string]gentask.HookHealth
	for name, s := range h.user.Stats() {
		if all == nil {
			all = map[string]gentask.HookHealth{}
		}
		all[name] = gentask.HookHealth{Failed: s.Failed, Late: s.Late, Hung: s.Hung, Refused: s.Refused, Lost: s.Lost}
	}
	return all
}

// ask calls a user function, logs if it fails, and reports whether it returned.
func ask[T any](ctx context.Context, h *hooks, hook *guard.Hook, f func() T) (T, bool) {
	v, err := guard.Call(ctx, hook, func(context.Context) (T, error) { return f(), nil })
	if err != nil && ctx.Err() == nil {
		h.log.Error("dashboard: a function failed", "function", hook.Name(), "error", err)
	}
	return v, err == nil
}

// call calls a function of a driver that ends with ctx. One that does not return within the limit
// of hooks after that is left behind.
func call[T any](ctx context.Context, hook *guard.Hook, f func(context.Context) (T, error)) (T, error) {
	life, leave := context.WithCancel(context.WithoutCancel(ctx))
	defer leave()
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(hookLimit, leave) })
	defer stop()
	return guard.Call(life, hook, func(context.Context) (T, error) { return f(ctx) })
}

// bare returns a copy of r for a user function: without its body, which the handler reads.
func bare(r *http.Request) *http.Request {
	c := r.Clone(r.Context())
	c.Body, c.ContentLength = http.NoBody, 0
	return c
}
