package isolate

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/gentask/gentask/internal/guard"
	"github.com/gentask/gentask/isolate/internal/wire"
	"github.com/gentask/gentask/queue"
)

// Info is a job, in its child.
type Info struct {
	// Message is that of the job. Its body is not decoded.
	Message queue.Message
	// Attempt is the number of the attempt, from 1.
	Attempt int
	// Redelivered reports whether the broker has delivered the message before.
	Redelivered bool

	server *server
	call   uint32
	ctx    context.Context
	cancel context.CancelCauseFunc
}

type infoKey struct{}

// FromContext returns the job whose context ctx is, or derives from. It returns false outside of a
// child.
func FromContext(ctx context.Context) (Info, bool) {
	job, ok := ctx.Value(infoKey{}).(*Info)
	if !ok {
		return Info{}, false
	}
	return *job, true
}

// newInfo returns a job with its context.
func newInfo(s *server, call uint32, t *wire.Task) *Info {
	job := &Info{Message: t.Message, Attempt: t.Attempt, Redelivered: t.Redelivered, server: s, call: call}
	ctx, cancel := context.WithCancelCause(context.WithValue(context.Background(), infoKey{}, job))
	job.ctx, job.cancel = &jobContext{ctx, after(t.Left)}, cancel
	return job
}

// jobContext has the deadline of a job. The parent cancels it, at the deadline or later, or not if
// it gives the job more time.
type jobContext struct {
	context.Context
	deadline time.Time
}

// Deadline returns the end of the job's timeout, if it has one.
func (c *jobContext) Deadline() (time.Time, bool) { return c.deadline, !c.deadline.IsZero() }

// Err returns context.DeadlineExceeded after a timeout, as in the parent.
func (c *jobContext) Err() error {
	if err := c.Context.Err(); err == nil || !guard.Is(context.Cause(c.Context), context.DeadlineExceeded) {
		return err
	}
	return context.DeadlineExceeded
}

// Progress reports something about the job in hand to [Config.OnProgress]: a value that
// encoding/json can write, in at most 1 MiB. It returns an error if it can't, and outside of a
// child.
func Progress(ctx context.Context, value any) error {
	job, ok := FromContext(ctx)
	if !ok {
		return errors.New("isolate: Progress is for jobs in a child; want the context of one")
	}
	data, err := json.Marshal(value)
	switch {
	case err != nil:
		return err
	case len(data) > maxFrame:
		return errors.New("isolate: the value of Progress is larger than 1 MiB")
	}
	err = job.server.writer.Write(wire.Frame{Kind: wire.KindProgress, Call: job.call, Body: data})
	return err
}
