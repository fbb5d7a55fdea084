package nats_test

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/nats"
)

var errBad = errors.New("bad")

// TestJobsGoOnInAFullStream: the stream is kept full, so that no copy of a snoozed message is
// taken. Others are done, in the same session.
func TestJobsGoOnInAFullStream(t *testing.T) {
	q := newQueue(t, "nats://"+standard, nats.Config{})
	for i := range 5 {
		require.NoError(t, q.Publish(soon(t), queue.Message{ID: "snooze" + strconv.Itoa(i)}, queue.Message{}))
	}
	full(t, q, q.Name())
	filling, stop := context.WithCancel(t.Context())
	defer stop()
	go func() {
		for filling.Err() == nil {
			_ = q.Publish(filling, queue.Message{}) // refused while it is full
		}
	}()
	var others atomic.Int64
	w := consume(t, q, gentask.Config{Concurrency: 2, Prefetch: 2}, func(_ context.Context, id string) error {
		if strings.HasPrefix(id, "snooze") && others.Load() < 30 {
			return gentask.Snooze(time.Minute)
		}
		others.Add(1)
		return nil
	})
	until(t, "others are done", func() bool { return others.Load() >= 30 })
	stop()
	w.quiet(t)
}

// TestFullStoreKeepsNoSlot: the store of the server takes no dead letter. The only slot is free
// again, so that other jobs make room, and the letter is stored.
func TestFullStoreKeepsNoSlot(t *testing.T) {
	url := ownServer(t, server.Options{JetStream: true, JetStreamMaxStore: 1 << 20}).ClientURL()
	q := newBroker(t, url, nats.Config{}).Queue("jobs")
	require.NoError(t, open(t, q))
	n := 0
	for ; ; n++ {
		if err := q.Publish(soon(t), queue.Message{ID: strconv.Itoa(n), Body: make([]byte, 64<<10)}); err != nil {
			require.ErrorContains(t, err, "insufficient")
			break
		}
	}
	w := consume(t, q, gentask.Config{Concurrency: 1, Prefetch: 1}, func(_ context.Context, id string) error {
		if id == "0" {
			return gentask.DeadLetter(errBad)
		}
		return nil
	})
	until(t, "all are settled", func() bool { return w.done(queue.Ack) == n-1 && w.done(queue.DeadLetter) == 1 })
	w.quiet(t)
	letters, err := q.DeadLetters(soon(t), 2)
	require.NoError(t, err)
	require.Len(t, letters, 1)
}

// TestLoweredMaxPayload: messages that are larger than the server takes now can't be dead-lettered.
// They keep no slot and harm no other message.
func TestLoweredMaxPayload(t *testing.T) {
	const large, small = 2, 50
	dir := t.TempDir()
	before := ownServer(t, server.Options{JetStream: true, StoreDir: dir, MaxPayload: 4 << 20})
	b := newBroker(t, before.ClientURL(), nats.Config{})
	for i := range large {
		require.NoError(t, b.Queue("jobs").Publish(soon(t), queue.Message{
			ID: "large" + strconv.Itoa(i), Body: make([]byte, 3<<20),
		}))
	}
	stop(before)
	url := ownServer(t, server.Options{JetStream: true, StoreDir: dir, MaxPayload: 1 << 20}).ClientURL()
	q := newBroker(t, url, nats.Config{}).Queue("jobs")
	w := consume(t, q, gentask.Config{Concurrency: large, Prefetch: large}, func(_ context.Context, id string) error {
		if strings.HasPrefix(id, "large") {
			return gentask.DeadLetter(errBad)
		}
		return nil
	})
	until(t, "each is returned", func() bool { return len(w.of(gentask.EventReturned)) >= large })
	for i := range small {
		require.NoError(t, q.Publish(soon(t), queue.Message{ID: strconv.Itoa(i)}))
	}
	until(t, "others are done", func() bool { return w.done(queue.Ack) == small })
	require.ErrorIs(t, w.of(gentask.EventReturned)[0].Reason, queue.ErrTooLarge)
	w.quiet(t)
	until(t, "only these are left, and none is lost", func() bool { // acks are applied a moment later
		stats, err := q.Inspect(soon(t))
		return err == nil && stats.Left() == large
	})
}

// TestLongDelaysAreKept: longer than other brokers keep them.
func TestLongDelaysAreKept(t *testing.T) {
	q := newQueue(t, "nats://"+standard, nats.Config{})
	const day = 24 * time.Hour
	require.NoError(t, q.Publish(soon(t), queue.Message{ID: "snooze"}, queue.Message{ID: "requeue"}))
	w := consume(t, q, gentask.Config{Concurrency: 1, Prefetch: 1}, func(_ context.Context, id string) error {
		switch id {
		case "snooze":
			return gentask.Snooze(90 * day)
		case "requeue":
			return gentask.Requeue(60 * day)
		}
		return nil
	})
	until(t, "both are put off", func() bool { return w.done(queue.Release) == 1 && w.done(queue.Requeue) == 1 })
	require.NoError(t, q.Publish(soon(t), queue.Message{ID: "other"}))
	until(t, "others are done", func() bool { return w.done(queue.Ack) == 1 })
	require.Empty(t, w.of(gentask.EventSettleFailed))
	stats, err := q.Inspect(soon(t))
	require.NoError(t, err)
	require.Equal(t, 2, stats.Left())
	w.quiet(t)
}

// TestNoRightToPublishCostsNoSession: the settlement that needs a copy fails, and its delivery is
// returned. Acks go on in the same session. The rights are the least ones of docs/operations.md.
func TestNoRightToPublishCostsNoSession(t *testing.T) {
	reader := &server.User{Username: "reader", Password: "r", Permissions: &server.Permissions{
		Publish: &server.SubjectPermission{Allow: []string{
			"$JS.API.STREAM.INFO.jobs", "$JS.API.STREAM.INFO.jobs-dead", "$JS.API.CONSUMER.INFO.jobs.gentask",
			"$JS.API.CONSUMER.MSG.NEXT.jobs.gentask", "$JS.ACK.jobs.gentask.>",
		}},
		Subscribe: &server.SubjectPermission{Allow: []string{"_INBOX.>"}},
	}}
	owner := &server.User{Username: "owner", Password: "o"}
	srv := ownServer(t, server.Options{JetStream: true, Users: []*server.User{reader, owner}})
	all := newBroker(t, "nats://owner:o@"+srv.Addr().String(), nats.Config{}).Queue("jobs")
	require.NoError(t, open(t, all))
	for i := range 40 {
		require.NoError(t, all.Publish(soon(t), queue.Message{ID: strconv.Itoa(i)}))
	}
	q := newBroker(t, "nats://reader:r@"+srv.Addr().String(), nats.Config{}).Queue("jobs")
	w := consume(t, q, gentask.Config{Concurrency: 4, Prefetch: 4}, func(_ context.Context, id string) error {
		if strings.HasSuffix(id, "7") {
			return gentask.Snooze(time.Minute)
		}
		return nil
	})
	until(t, "the others are done", func() bool { return w.done(queue.Ack) == 36 })
	until(t, "each is returned", func() bool { return len(w.of(gentask.EventReturned)) >= 4 })
	reason := w.of(gentask.EventReturned)[0].Reason
	require.ErrorIs(t, reason, nats.ErrRefused)
	require.ErrorIs(t, reason, queue.ErrConfig)
	require.ErrorContains(t, reason, `may not publish to "jobs"`)
	require.Len(t, w.of(gentask.EventSessionOpened), 1)
	w.quiet(t)
}

// TestPublisherWithoutARightIsToldAtOnce: not after a time without a confirm.
func TestPublisherWithoutARightIsToldAtOnce(t *testing.T) {
	reader := &server.User{Username: "reader", Password: "r", Permissions: &server.Permissions{
		Publish: &server.SubjectPermission{Deny: []string{"jobs"}},
	}}
	srv := ownServer(t, server.Options{JetStream: true, Users: []*server.User{reader}})
	q := newBroker(t, "nats://reader:r@"+srv.Addr().String(), nats.Config{}).Queue("jobs")
	start := time.Now()
	err := q.Publish(soon(t), queue.Message{ID: "a"})
	require.ErrorIs(t, err, nats.ErrRefused)
	require.ErrorContains(t, err, `may not publish to "jobs"`)
	require.Less(t, time.Since(start), 4*time.Second)
}
