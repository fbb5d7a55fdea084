package nats

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	natsgo "github.com/nats-io/nats.go"
)

// headerSize is set by the server in a delivery without the body, to the size that the body has. It
// does so for a consumer with headers_only. A session must notice that from the delivery itself,
// because the consumer may have been changed since the last look.
const headerBodySize = "Nats-Msg-Size"

// stripped reports whether a delivery lacks its body.
func stripped(m *natsgo.Msg) bool {
	if len(m.Data) > 0 {
		return false
	}
	size, err := strconv.ParseInt(m.Header.Get(headerBodySize), 10, 64)
	return err == nil && size > 0
}

// restore keeps a delivery without its body back. It ends the session if the consumer is changed.
// Otherwise it was changed and is not any more, or another program has sent the header: then the
// stored message has the body. The session's mu must be held, and the session must not be closing.
func (s *session) restore(h *holding, early time.Duration) {
	h.copying = true
	s.settles.Add(1)
	go func() {
		defer s.settles.Done()
		ctx, cancel := context.WithTimeout(context.Background(), putOffTimeout)
		defer cancel()
		body, err := s.stored(ctx, h.origin.sequence)
		if err != nil {
			s.link.fail(err)
			return
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		h.Body, h.copying = body, false
		s.hand(h, early)
	}()
}

// stored returns the body of a message in the stream, or the reason why deliveries have none.
func (s *session) stored(ctx context.Context, sequence uint64) ([]byte, error) {
	var changed *MismatchError
	if _, err := s.look(ctx); errors.As(err, &changed) {
		return nil, err
	}
	stream, err := s.link.js.Stream(ctx, s.queue)
	if err != nil {
		return nil, fmt.Errorf("nats: body of message %d of %q: %w", sequence, s.queue, s.link.answer(ctx, err))
	}
	raw, err := stream.GetMsg(ctx, sequence)
	if err != nil {
		return nil, fmt.Errorf("nats: body of message %d of %q: %w", sequence, s.queue, s.link.answer(ctx, err))
	}
	return raw.Data, nil
}
