package nats

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	natsgo "github.com/nats-io/nats.go"

	"github.com/gentask/gentask/queue"
)

// store implements queue.Store over a stream with one message for each key.
type store struct {
	broker *Broker
	bucket bucket
	access *access
	most   atomic.Int64 // bytes of a value
}

// Store returns the store of that name, which is the key-value bucket gentask_NAME: it makes the
// stream, or checks the existing one as a session does. It needs a server of version 2.11 or newer.
// The error wraps [queue.ErrConfig] if the name is not valid, the server is too old, or a right is
// missing, [queue.ErrUnavailable] if the broker does not answer, and [queue.ErrClosed] after Close.
// The store has a connection of its own, and continues until it is closed. See docs/drivers.md for
// the rights that it needs.
func (b *Broker) Store(ctx context.Context, name string) (queue.Store, error) {
	if err := b.seam(ctx, name); err != nil {
		return nil, err
	}
	s := &store{broker: b, bucket: b.config.bucket(name), access: b.access("store " + name)}
	call, done := s.access.call(ctx)
	defer done()
	l, err := s.access.get(call)
	if err == nil {
		err = s.make(call, l)
	}
	if err != nil {
		err = s.access.failed(ctx, err)
		s.access.close()
		return nil, err
	}
	return s, nil
}

// seam checks the arguments of Store and Bus.
func (b *Broker) seam(ctx context.Context, name string) error {
	if err := queue.CheckSeamName(name); err != nil {
		return fmt.Errorf("nats: %w", err)
	}
	if b.isClosed() {
		return fmt.Errorf("nats: broker: %w", queue.ErrClosed)
	}
	return ctx.Err()
}

// Bounds of a store.
const (
	room         = 1 << 10  // of a message for its headers
	leastValue   = 32 << 10 // that a store must take
	leaseAlone   = 1500 * time.Millisecond
	leaseCluster = 15 * time.Second // a cluster may need 6 s for another leader
)

// measure notes the largest value. It returns an error if that is less than a store must take.
func (s *store) measure(l *link, have properties) error {
	most := l.nc.MaxPayload()
	if limit := have.number("max_msg_size"); limit > 0 {
		most = min(most, limit)
	}
	s.most.Store(most - room)
	if most < leastValue+room {
		return fmt.Errorf("nats: %w: the server takes %d bytes for a record of stream %q (max_payload, max_msg_size), "+
			"must be at least %d", queue.ErrConfig, most, s.bucket.stream, leastValue+room)
	}
	return nil
}

// ready returns the first reason why a call can't be served; bad is about its arguments.
func (s *store) ready(ctx context.Context, bad ...error) error {
	if err := errors.Join(bad...); err != nil {
		return fmt.Errorf("nats: %w", err)
	}
	if err := s.access.closed(); err != nil {
		return err
	}
	return ctx.Err()
}

// Get implements queue.Store.
func (s *store) Get(ctx context.Context, key string) (queue.Record, error) {
	if err := s.ready(ctx, queue.CheckKey(key)); err != nil {
		return queue.Record{}, err
	}
	call, done := s.access.call(ctx)
	defer done()
	l, err := s.access.get(call)
	var got last
	if err == nil {
		got, err = s.lastOf(call, l, s.bucket.subject(key))
	}
	if err != nil {
		return queue.Record{}, s.access.failed(ctx, s.mend(call, l, err))
	}
	if got.isMarker() {
		return queue.Record{}, queue.ErrNoRecord
	}
	m := got.Message
	return queue.Record{Key: key, Value: m.Data, Revision: queue.Revision(m.Seq)}, nil
}

// Facts implements queue.Store.
func (s *store) Facts(ctx context.Context) (queue.StoreFacts, error) {
	if err := s.ready(ctx); err != nil {
		return queue.StoreFacts{}, err
	}
	call, done := s.access.call(ctx)
	defer done()
	l, err := s.access.get(call)
	var have *info
	if err == nil {
		have, err = s.look(call, l)
	}
	if err == nil {
		err = s.measure(l, have.Config)
	}
	if err != nil {
		return queue.StoreFacts{}, s.access.failed(ctx, s.mend(call, l, err))
	}
	facts := queue.StoreFacts{
		Incarnation: have.Created, MaxValue: int(s.most.Load()),
		MinLease: leaseAlone, Durability: queue.UntilPowerLoss,
	}
	if have.Config.number("num_replicas") > 1 {
		facts.MinLease, facts.Durability = leaseCluster, queue.ThroughPowerLoss
	}
	if always, _ := l.storage().(interface{ SyncsAlways() bool }); always != nil && always.SyncsAlways() {
		facts.Durability = queue.ThroughPowerLoss
	}
	return facts, nil
}

// mend makes the stream again if err is that there is none. It returns err, or why it can't.
func (s *store) mend(ctx context.Context, l *link, err error) error {
	if !isMissing(err) {
		return err
	}
	if failed := s.make(ctx, l); failed != nil {
		return failed
	}
	return err
}

// Close implements queue.Store.
func (s *store) Close() error {
	s.access.close()
	return nil
}

// isMarker reports whether there is no record: no message, or the mark of one that has gone.
func (m last) isMarker() bool {
	if m.Message == nil {
		return true
	}
	header, err := natsgo.DecodeHeadersMsg(m.Message.Header)
	return err == nil && isMarker(header)
}

// Headers of records and of marks.
const (
	headerOperation = "KV-Operation"
	headerMarker    = "Nats-Marker-Reason" // of the server
	headerLast      = "Nats-Expected-Last-Subject-Sequence"
	headerInStream  = "Nats-Expected-Stream"
	operationPurge  = "PURGE" // a server that ends such a message puts no mark in its place
	operationDelete = "DEL"   // of the tools
)

func isMarker(h natsgo.Header) bool {
	operation := h.Get(headerOperation)
	return h.Get(headerMarker) != "" || operation == operationPurge || operation == operationDelete
}

// message returns a message without headers.
func message(subject string, data []byte) *natsgo.Msg {
	m := natsgo.NewMsg(subject)
	m.Data = data
	return m
}
