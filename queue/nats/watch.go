package nats

import (
	"context"
	"fmt"
	"slices"
	"time"
)

const (
	// watchEvery is how often a session looks whether its stream and its consumer are still what they were: nothing tells it that somebody has
	// changed them, and some changes show in nothing but messages that are lost, or run twice, or do not come.
	watchEvery = 3 * time.Second

	// watchTime bounds the look. Whether the server lives is for others to find out.
	watchTime = time.Second
)

// watch ends the session when the queue is no longer what it was. The next one finds it as it is now, or says what is wrong.
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

// unchanged says what is no longer as it must be, or as it was when the session began; nil also when it can't be told.
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
