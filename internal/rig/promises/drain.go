package promises

import (
	"context"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/internal/rig"
	"github.com/gentask/gentask/queue"
)

// DrainBesideAnother is scenario 16: while the 5 that run are still busy, the 15 that were returned
// run elsewhere, at no cost of an attempt.
func DrainBesideAnother(r *rig.Rig) {
	const jobs, prefetch, concurrency = 40, 20, 5
	release := make(chan struct{})
	r.Publish(jobs)
	c := r.Start(r.Handle(func(context.Context, string) error {
		<-release
		return nil
	}), gentask.Config{Name: "first", Concurrency: concurrency, Prefetch: prefetch, Timeout: -1})
	r.Eventually("the prefetch is full", func() bool { return c.Health().Held == prefetch && r.Runs.Now() == concurrency })

	reports := make(chan gentask.DrainReport, 1)
	go func() {
		report, _ := c.Stop(context.WithoutCancel(r.Context()))
		reports <- report
	}()
	r.Eventually("the unstarted are returned", func() bool { return c.Health().Held == concurrency })
	r.Start(gentask.Handle(func(context.Context, []byte) error { return nil }), gentask.Config{Name: "second"})
	r.Eventually("all others have run elsewhere", func() bool { return len(EndsAt(r, "second")) == jobs-concurrency })
	close(release)
	require.Equal(r, gentask.DrainReport{Finished: concurrency, Returned: prefetch - concurrency}, <-reports)
	require.Equal(r, concurrency, r.Runs.Total(), "nothing new was started")
	r.Finish()

	settled := map[queue.Disposition]int{}
	for _, ev := range EndsAt(r, "first") {
		settled[ev.Disposition]++
	}
	require.Equal(r, map[queue.Disposition]int{queue.Ack: concurrency, queue.Release: prefetch - concurrency}, settled)
	require.Len(r, EndsAt(r, "second"), jobs-concurrency, "and nothing came twice")
	for _, ev := range r.Events(gentask.EventDone) {
		require.Equal(r, 1, ev.Attempt, "a release costs no attempt: %s", ev.ID)
	}
}

// EndsAt returns the end events of one consumer.
func EndsAt(r *rig.Rig, consumer string) []gentask.Event {
	var ends []gentask.Event
	for _, ev := range r.Events(gentask.EventDone) {
		if ev.Consumer == consumer {
			ends = append(ends, ev)
		}
	}
	return ends
}

// DrainPastTheDeadline is scenario 16: what runs when the time is up is cancelled, named,
// and returned at no cost of an attempt.
func DrainPastTheDeadline(r *rig.Rig) {
	r.Publish(2)
	c := r.Start(r.Handle(func(ctx context.Context, id string) error {
		if id == "1" {
			<-ctx.Done()
			return ctx.Err()
		}
		return nil
	}), gentask.Config{Timeout: -1, DrainTimeout: -1})
	r.Eventually("one is left", func() bool { return len(r.Events(gentask.EventDone)) == 1 && r.Runs.Now() == 1 })
	report := r.Stop(c)
	require.Equal(r, []string{"1"}, report.Cancelled)
	require.Empty(r, report.Abandoned)
	require.Positive(r, report.Returned, "more than once, if it was faster back than the order to send no more was there")

	r.Start(r.Handle(func(context.Context, string) error { return nil }), gentask.Config{Name: "next"})
	r.Finish()
	require.Equal(r, 1, EndsAt(r, "next")[0].Attempt)
}
