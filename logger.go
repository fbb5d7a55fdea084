package gentask

import (
	"context"
	"log/slog"
)

// Logger returns the logger of the job whose task's context ctx is, or derives from. Its handler is
// that of [Config.Logger], called directly: a record takes the job's time. Each record has the
// attributes consumer, queue, node (the host's name), job.id and attempt, and trace_id if the job
// is traced: see [Job.SetTrace]. With [Config.LogsInLetters] the records are kept for a dead
// letter, too.
//
// Elsewhere Logger returns slog.Default(), so a function that jobs and others call can log in one
// way. A program that does not call Logger pays nothing for it.
func Logger(ctx context.Context) *slog.Logger {
	if job, ok := FromContext(ctx); ok {
		return job.Logger()
	}
	return slog.Default()
}

// Logger returns the logger of the job: see the function [Logger]. In a [Batch] each job has its
// own; the function Logger returns that of the job whose task runs the batch.
func (j Job[J]) Logger() *slog.Logger {
	var logger *slog.Logger
	e := j.entry
	e.keepNotes(func(n *notes) {
		if n.tail == nil && e.cfg.LogsInLetters {
			n.tail = &tail{}
		}
		if n.logger == nil {
			n.logger = newJobLogger(e, n.tail, n.trace)
		}
		logger = n.logger
	})
	return logger
}

// newJobLogger returns the logger of a job. The tail is only for what the job adds.
func newJobLogger(e *entry, t *tail, trace string) *slog.Logger {
	h := e.cfg.jobs.WithAttrs(jobAttrs(e.delivery.ID, e.item.Attempt, trace))
	if t != nil {
		h = newTailHandler(h, t)
	}
	return slog.New(h)
}
