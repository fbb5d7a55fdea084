//go:build matrix

package universal

import (
	"context"
	"errors"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/gentask/gentask/queue"
)

// topic is a queue, which any driver makes.
type topic interface {
	queue.Source
	queue.Publisher
}

// publisher publishes to the topics of a broker.
type publisher struct {
	topic  func(name string) topic
	closed atomic.Bool
}

// subscriber subscribes to the topics of a broker.
type subscriber struct {
	topic         func(name string) topic
	ctx           context.Context // ends with Close
	cancel        context.CancelFunc
	subscriptions sync.WaitGroup
	mu            sync.Mutex // guards the start of subscriptions
}

var (
	_ message.Publisher  = (*publisher)(nil)
	_ message.Subscriber = (*subscriber)(nil)
)

var errClosed = errors.New("universal: closed")

func newPublisher(of func(name string) topic) *publisher { return &publisher{topic: of} }

func newSubscriber(of func(name string) topic) *subscriber {
	ctx, cancel := context.WithCancel(context.Background())
	return &subscriber{topic: of, ctx: ctx, cancel: cancel}
}

// Publish implements message.Publisher. It returns after the broker's confirm.
func (p *publisher) Publish(name string, messages ...*message.Message) error {
	if p.closed.Load() {
		return errClosed
	}
	all := make([]queue.Message, len(messages))
	for i, m := range messages {
		all[i] = queue.Message{ID: m.UUID, Body: m.Payload, Headers: maps.Clone(map[string]string(m.Metadata))}
	}
	return p.topic(name).Publish(context.Background(), all...)
}

// Close implements message.Publisher. No call of Publish leaves anything behind.
func (p *publisher) Close() error {
	p.closed.Store(true)
	return nil
}

// Subscribe implements message.Subscriber. The channel is closed when ctx ends, after Close, and
// when the session is lost and can't be opened again.
func (s *subscriber) Subscribe(ctx context.Context, name string) (<-chan *message.Message, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ctx.Err() != nil {
		return nil, errClosed
	}
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(s.ctx, cancel)
	session, err := s.open(ctx, name)
	if err != nil {
		stop()
		cancel()
		return nil, err
	}
	out := make(chan *message.Message)
	s.subscriptions.Go(func() {
		defer close(out)
		defer cancel()
		defer stop()
		for ; err == nil; session, err = s.open(ctx, name) {
			serve(ctx, session, out)
		}
	})
	return out, nil
}

// open opens a session. As a consumer does, it tries again after an error that is not about the
// configuration: nodes that make the same queue at once may fail.
func (s *subscriber) open(ctx context.Context, name string) (queue.Session, error) {
	trying, cancel := context.WithTimeout(ctx, openTime)
	defer cancel()
	for {
		session, err := s.topic(name).Open(trying, queue.Options{Prefetch: 1})
		if err == nil || errors.Is(err, queue.ErrConfig) || errors.Is(err, queue.ErrClosed) {
			return session, err
		}
		select {
		case <-time.After(openEvery):
		case <-trying.Done():
			return nil, err
		}
	}
}

// Times of a subscription.
const (
	openTime  = 10 * time.Second // for all attempts
	openEvery = 50 * time.Millisecond
)

// closeTime bounds the end of a session.
const closeTime = 10 * time.Second

// serve hands out the messages of a session until ctx or the session ends.
func serve(ctx context.Context, s queue.Session, out chan<- *message.Message) {
	ending, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer func() {
		ending, cancel := context.WithTimeout(ending, closeTime)
		defer cancel()
		_ = s.Close(ending)
	}()
	for {
		d, err := s.Receive(ctx)
		if err != nil {
			return
		}
		one := queue.Settlement{Delivery: d, Disposition: handOut(ctx, d, out)}
		if s.Settle(ending, []queue.Settlement{one}) != nil || ctx.Err() != nil {
			return
		}
	}
}

// handOut returns what becomes of the delivery.
func handOut(ctx context.Context, d *queue.Delivery, out chan<- *message.Message) queue.Disposition {
	m := message.NewMessage(d.ID, d.Body)
	m.Metadata = d.Headers
	own, cancel := context.WithCancel(ctx)
	defer cancel()
	m.SetContext(own)
	select {
	case out <- m:
	case <-ctx.Done():
		return queue.Release
	}
	select {
	case <-m.Acked():
		return queue.Ack
	case <-m.Nacked():
		return queue.Requeue
	case <-ctx.Done():
		return queue.Release
	}
}

// Close implements message.Subscriber. It waits until all subscriptions have
// ended.
func (s *subscriber) Close() error {
	s.mu.Lock()
	s.cancel()
	s.mu.Unlock()
	s.subscriptions.Wait()
	return nil
}
