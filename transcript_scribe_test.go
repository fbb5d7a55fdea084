package gentask

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/gentask/gentask/queue"
)

// scribe is the memory queue with every call, and every return, in a turn of its own, and in the
// transcript.
type scribe struct {
	*replay
	sessions int
}

// Open implements queue.Source.
func (s *scribe) Open(ctx context.Context, opts queue.Options) (queue.Session, error) {
	s.turn("open")
	defer s.turn("open")
	s.log.add(lineOut, "open session")
	inner, err := s.q.Open(ctx, opts)
	if err != nil {
		return nil, err
	}
	s.sessions++
	return &scribeSession{inner: inner, replay: s.replay, number: s.sessions}, nil
}

// Backlog implements queue.BacklogReporter.
func (s *scribe) Backlog(ctx context.Context) (int, error) {
	s.turn("backlog")
	defer s.turn("backlog")
	return s.q.Backlog(ctx)
}

type scribeSession struct {
	*replay
	inner  queue.Session
	number int
}

// call takes its turn, and returns the function that takes the next for the return.
func (s *scribeSession) call(name string) (returned func()) {
	name = fmt.Sprintf("%s %d", name, s.number)
	s.turn(name)
	return func() { s.turn(name) }
}

// Receive implements queue.Session.
func (s *scribeSession) Receive(ctx context.Context) (*queue.Delivery, error) {
	defer s.call("receive")()
	return s.inner.Receive(ctx)
}

// Settle implements queue.Session.
func (s *scribeSession) Settle(ctx context.Context, batch []queue.Settlement) error {
	defer s.call("settle " + batch[0].Disposition.String())()
	for i := range batch {
		s.log.add(lineOut, "settle %s: %s", batch[i].Delivery.ID, settlementText(&batch[i]))
	}
	if s.stuck.Load() {
		<-s.released
	}
	return s.inner.Settle(ctx, batch)
}

// Return implements queue.Returner.
func (s *scribeSession) Return(ctx context.Context, batch []queue.Settlement) error {
	defer s.call("return")()
	for i := range batch {
		s.log.add(lineOut, "return %s%s", batch[i].Delivery.ID, afterText(batch[i].After))
	}
	return s.inner.(queue.Returner).Return(ctx, batch)
}

// Cancel implements queue.Session.
func (s *scribeSession) Cancel(ctx context.Context) error {
	defer s.call("cancel")()
	s.log.add(lineOut, "cancel intake")
	return s.inner.Cancel(ctx)
}

// Resume implements queue.Session.
func (s *scribeSession) Resume(ctx context.Context) error {
	defer s.call("resume")()
	s.log.add(lineOut, "resume intake")
	return s.inner.Resume(ctx)
}

// Close implements queue.Session.
func (s *scribeSession) Close(ctx context.Context) error {
	defer s.call("close")()
	s.log.add(lineOut, "close session")
	return s.inner.Close(ctx)
}

func settlementText(s *queue.Settlement) string {
	return s.Disposition.String() + afterText(s.After)
}

func afterText(d time.Duration) string {
	if d <= 0 {
		return ""
	}
	return fmt.Sprintf(" after %v", short(d))
}

// withoutPackages takes out of the text of an error which packages it comes from.
var withoutPackages = strings.NewReplacer(
	"gentask: ", "", "queue: ", "", "queue/memory: ", "", "actor: ", "", "task: ", "", "supervision: ", "")

// reasonText returns the first line of an error, with a colon before it; nothing for nil.
func reasonText(err error) string {
	if err == nil {
		return ""
	}
	text, _, _ := strings.Cut(err.Error(), "\n")
	return ": " + withoutPackages.Replace(text)
}

// slowStore is a store for Policy.Dedup that takes its time.
type slowStore struct {
	*replay
	takes time.Duration
	done  map[string]bool
}

// Done implements DedupStore.
func (s *slowStore) Done(ctx context.Context, key string) (bool, error) {
	s.turn("store done")
	s.log.add(lineJob, "store: is %s done?", keyID(key))
	if s.pause("store done", s.takes, ctx.Done()) {
		return false, context.Cause(ctx)
	}
	return s.done[key], nil
}

// Remember implements DedupStore.
func (s *slowStore) Remember(ctx context.Context, key string) error {
	s.turn("store remember")
	s.log.add(lineJob, "store: %s is done", keyID(key))
	if s.pause("store remember", s.takes, ctx.Done()) {
		return context.Cause(ctx)
	}
	s.done[key] = true
	return nil
}

func keyID(key string) string {
	id, _, _ := strings.Cut(key, "@")
	return id
}
