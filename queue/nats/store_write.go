package nats

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/gentask/gentask/queue"
)

// Put implements queue.Store.
func (s *store) Put(
	ctx context.Context, key string, value []byte, condition queue.Revision, keep time.Duration,
) (queue.Revision, error) {
	var bad error
	if keep < 0 {
		bad = fmt.Errorf("%w: keep is %v, must be zero (for good) or more", queue.ErrConfig, keep)
	}
	if err := s.ready(ctx, queue.CheckKey(key), bad); err != nil {
		return 0, err
	}
	if most := int(s.most.Load()); len(value) > most {
		return 0, fmt.Errorf("nats: %w: value of %d bytes, must have at most %d", queue.ErrTooLarge, len(value), most)
	}
	m := message(s.bucket.via+s.bucket.subject(key), value)
	if keep > 0 {
		m.Header.Set(headerTTL, seconds(keep))
	}
	return s.write(ctx, key, m, condition)
}

// Delete implements queue.Store.
func (s *store) Delete(ctx context.Context, key string, condition queue.Revision) error {
	var bad error
	if condition == queue.Absent {
		bad = fmt.Errorf("%w: condition of Delete is Absent, must be Always or a revision", queue.ErrConfig)
	}
	if err := s.ready(ctx, queue.CheckKey(key), bad); err != nil {
		return err
	}
	_, err := s.write(ctx, key, s.marker(key), condition)
	return err
}

// marker returns the mark of a record that has gone.
func (s *store) marker(key string) *natsgo.Msg {
	m := message(s.bucket.via+s.bucket.subject(key), nil)
	m.Header.Set(headerOperation, operationPurge)
	m.Header.Set(headerTTL, seconds(markerTime))
	return m
}

// seconds returns a time as the server takes it, rounded up.
func seconds(d time.Duration) string {
	return strconv.FormatInt(int64((d+time.Second-1)/time.Second), 10) + "s"
}

// maxAbsent is how often a mark may be gone, or be new, before a Put without a record gives up.
const maxAbsent = 8

// errChanges is the reason why such a Put gives up.
var errChanges = errors.New("nats: the record comes and goes")

// write publishes a message if the condition is met.
func (s *store) write(
	ctx context.Context, key string, m *natsgo.Msg, condition queue.Revision,
) (queue.Revision, error) {
	call, done := s.access.call(ctx)
	defer done()
	l, err := s.access.get(call)
	if err != nil {
		return 0, s.access.failed(ctx, err)
	}
	m.Header.Set(headerInStream, s.bucket.stream)
	revision, err := s.expect(call, l, m, condition)
	if condition == queue.Absent && errors.Is(err, queue.ErrConflict) {
		revision, err = s.replaceMarker(call, l, key, m)
	}
	switch {
	case err == nil, errors.Is(err, queue.ErrConflict):
		return revision, err
	case errors.Is(err, queue.ErrUncertain):
		return 0, s.uncertain(ctx, err)
	case errors.Is(err, natsgo.ErrNoResponders): // nothing was written
		if _, failed := s.look(call, l); failed != nil {
			err = s.mend(call, l, errors.Join(err, failed))
		}
	}
	return 0, s.access.failed(ctx, err)
}

// replaceMarker publishes a message in the place of the mark of an earlier record. If there is a
// record, that is queue.ErrConflict.
func (s *store) replaceMarker(ctx context.Context, l *link, key string, m *natsgo.Msg) (queue.Revision, error) {
	for range maxAbsent {
		got, err := s.lastOf(ctx, l, s.bucket.subject(key))
		if err != nil {
			return 0, err
		}
		if !got.isMarker() {
			return 0, queue.ErrConflict
		}
		revision, err := s.expect(ctx, l, m, queue.Revision(got.seq()))
		if !errors.Is(err, queue.ErrConflict) {
			return revision, err
		}
	}
	return 0, errChanges
}

// uncertain returns the error of a write that may have been applied, whose own context is ctx.
func (s *store) uncertain(ctx context.Context, err error) error {
	if s.access.life.Err() != nil {
		err = fmt.Errorf("%w: %w", queue.ErrClosed, err)
	}
	return within(ctx, err)
}

func (m last) seq() uint64 {
	if m.Message == nil {
		return 0
	}
	return m.Message.Seq
}

// expect publishes a message with a condition. Its error wraps queue.ErrConflict,
// queue.ErrUncertain, or is of a message that was not stored.
func (s *store) expect(ctx context.Context, l *link, m *natsgo.Msg, condition queue.Revision) (queue.Revision, error) {
	m.Header.Del(headerLast)
	if condition != queue.Always {
		m.Header.Set(headerLast, strconv.FormatUint(uint64(condition), 10))
	}
	answer, err := l.request(ctx, m)
	switch {
	case errors.Is(err, natsgo.ErrNoResponders), errors.Is(err, ErrRefused):
		return 0, err
	case errors.Is(err, natsgo.ErrMaxPayload):
		return 0, fmt.Errorf("nats: %w: value of %d bytes: %w", queue.ErrTooLarge, len(m.Data), err)
	case err != nil:
		return 0, fmt.Errorf("%w: %w", queue.ErrUncertain, l.blame(err))
	}
	return s.confirm(ctx, l, answer.Data)
}

// Codes of JetStream for a message that was not stored.
const (
	codeWrongLast         jetstream.ErrorCode = 10071
	codeWrongLastConstant jetstream.ErrorCode = 10164
	codeMessageTooLarge   jetstream.ErrorCode = 10054
	codeNoTTL             jetstream.ErrorCode = 10166
)

// refused returns the error of a message that was not stored.
func (s *store) refused(err *jetstream.APIError) error {
	code := err.ErrorCode
	if code == codeWrongLast || code == codeWrongLastConstant {
		return fmt.Errorf("%w: %w", queue.ErrConflict, err)
	}
	if code == codeMessageTooLarge {
		return fmt.Errorf("nats: %w: %w", queue.ErrTooLarge, err)
	}
	if code == codeNoTTL {
		return fmt.Errorf("nats: %w: stream %q: allow_msg_ttl was turned off, must be true: %w",
			queue.ErrConfig, s.bucket.stream, err)
	}
	return err
}

// confirm reads the server's answer to a message.
func (s *store) confirm(ctx context.Context, l *link, data []byte) (queue.Revision, error) {
	var ack struct {
		Stream string              `json:"stream"`
		Seq    uint64              `json:"seq"`
		Error  *jetstream.APIError `json:"error"`
	}
	if err := json.Unmarshal(data, &ack); err != nil {
		return 0, fmt.Errorf("%w: answer to a write: %w", queue.ErrUncertain, err)
	}
	if ack.Error != nil {
		return 0, l.blame(s.refused(ack.Error))
	}
	if disk := l.storage(); disk != nil {
		if err := disk.Sync(ctx, s.bucket.stream); err != nil {
			return 0, fmt.Errorf("%w: %w", queue.ErrUncertain, err)
		}
	}
	return queue.Revision(ack.Seq), nil
}
