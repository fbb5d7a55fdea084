package telemetry

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel"

	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/internal/feed"
	"github.com/gentask/gentask/internal/guard"
)

const (
	// providerLimit bounds a call of a tracer, a meter or a propagator.
	providerLimit = time.Second

	// complainEvery is the least time between two reports of failures.
	complainEvery = 10 * time.Second

	// mostComplaints is how many failures may wait for the error handler.
	mostComplaints = 16
)

// contained calls the functions of providers, which are code of others.
type contained struct {
	hook       *guard.Hook
	looking    *guard.Hook // of calls of brokers
	complaints *feed.Feed[error]
	last       atomic.Int64 // the time of the last complaint
}

// newContained returns a contained whose failures have the name.
func newContained(name string) *contained {
	host := guard.NewHost(actor.Recovered)
	return &contained{
		hook:       host.Hook(name, providerLimit),
		looking:    host.Hook(name, lookLimit),
		complaints: feed.New(host.Hook("otel.ErrorHandler", 0), mostComplaints, otel.Handle),
	}
}

// within returns the result of f, and false if it was not called, or did not return in time. A
// result that comes late is dropped, so f must change nothing that the caller uses.
func within[T any](c *contained, f func() T) (T, bool) {
	v, err := guard.Call(context.Background(), c.hook, func(context.Context) (T, error) { return f(), nil })
	if err != nil {
		c.complain(err)
	}
	return v, err == nil
}

// complain reports a failure, unless another one was reported shortly before.
func (c *contained) complain(err error) {
	now, last := time.Now().UnixNano(), c.last.Load()
	if now-last < int64(complainEvery) || !c.last.CompareAndSwap(last, now) {
		return
	}
	c.complaints.Push(fmt.Errorf("telemetry: span or metric dropped: %w", err))
}
