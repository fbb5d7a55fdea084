package nats

import (
	"context"
	"fmt"
	"slices"
	"time"
)

const (
	// watchEvery is the interval at which a session checks its stream and its consumer. The server
	// does not report changes to them, and the only effect of some is that messages are lost, run
	// twice, or do not come.
	watchEvery = 3 * time.Second

	// watchTime bounds the check. Other means find out whether the server is alive.
	watchTime = time.Second
)

// watch ends the session when the queue has changed. The next session uses it as it is then, or
// fails with the difference.
func (s *session) watch(ctx context.Context, look func(context.Context) error) {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		if err := look(ctx); err != nil {
			s.link.fail(err)
			return
		}
	}
}

// unchanged returns an error if the queue is invalid, or has changed since the session began. It
// returns nil also if the server does not answer.
func (q *Queue) unchanged(ctx context.Context, l *link, lease time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, watchTime)
	defer cancel()
	stream, err := l.js.Stream(ctx, q.name)
	if err != nil {
		return nil
	}
	if diff := q.broker.streamDifferences(stream.CachedInfo().Config); len(diff) > 0 {
		return &MismatchError{Kind: "stream", Name: q.name, Differences: slices.Clip(diff)}
	}
	consumer, err := l.js.Consumer(ctx, q.name, consumerName)
	if err != nil {
		return nil
	}
	have := consumer.CachedInfo().Config
	if diff := q.broker.consumerDifferences(have); len(diff) > 0 {
		return &MismatchError{Kind: "consumer", Name: q.name + " > " + consumerName, Differences: slices.Clip(diff)}
	}
	if have.AckWait != lease {
		return fmt.Errorf("nats: the lease of queue %q was changed from %v to %v", q.name, lease, have.AckWait)
	}
	return nil
}
