package nats

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/gentask/gentask/queue"
)

// Letters returns the operator's access to the dead letters. They are read one by one from the
// stream "<queue>-dead", and are not hidden from other calls. That includes the letters that a
// consumer of that stream holds. If two calls give back the same letter at once, it is stored once,
// because the server recognizes the second copy within the duplicate window.
func (q *Queue) Letters() *queue.Letters { return queue.NewLetters(letterBox{q}) }

// letterBox implements queue.LetterBox.
type letterBox struct{ q *Queue }

func (b letterBox) OpenLetters(ctx context.Context) (queue.LetterWalk, error) {
	l, err := b.q.ready(ctx)
	if err != nil {
		return nil, err
	}
	w, err := b.q.walk(ctx, l, b.q.name+deadSuffix)
	if err != nil || w.dead == nil {
		return w, err // no session was ever opened
	}
	stream, err := ask(ctx, l, func(ctx context.Context) (*info, error) { return l.streamInfo(ctx, b.q.name) })
	if err != nil {
		return nil, w.failed(ctx, err)
	}
	w.subjects = stream.Config.texts("subjects")
	return w, nil
}

// walk returns a walk over the present messages of a stream. It is empty if there is no stream.
func (q *Queue) walk(ctx context.Context, l *link, stream string) (*letterWalk, error) {
	w := &letterWalk{q: q, link: l, name: stream}
	dead, err := ask(ctx, l, func(ctx context.Context) (jetstream.Stream, error) { return l.js.Stream(ctx, stream) })
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return w, nil
	}
	if err != nil {
		return nil, w.failed(ctx, err)
	}
	w.dead, w.end = dead, dead.CachedInfo().State.LastSeq
	return w, nil
}

// letterWalk implements queue.LetterWalk. Letters that arrive meanwhile come after the end.
type letterWalk struct {
	q    *Queue
	link *link
	name string // of the stream
	dead jetstream.Stream
	end  uint64 // the last sequence of the walk; 0 for none
	raw  *jetstream.RawStreamMsg

	after    uint64   // the sequence behind which it begins
	subjects []string // of the queue's stream
}

func (w *letterWalk) Next(ctx context.Context) (queue.Message, error) {
	after := w.after
	if w.raw != nil {
		after = w.raw.Sequence
	}
	if after >= w.end {
		return queue.Message{}, io.EOF
	}
	raw, err := w.get(ctx, after+1, jetstream.WithGetMsgSubject(">"))
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return queue.Message{}, io.EOF
	}
	if err != nil {
		return queue.Message{}, w.failed(ctx, err)
	}
	if raw.Sequence > w.end {
		return queue.Message{}, io.EOF
	}
	w.raw = raw
	return w.message(), nil
}

// Position implements queue.LetterSeeker: the sequence of the letter.
func (w *letterWalk) Position() string { return strconv.FormatUint(w.raw.Sequence, 10) }

// Seek implements queue.LetterSeeker.
func (w *letterWalk) Seek(position string) (err error) {
	if w.after, err = strconv.ParseUint(position, 10, 64); err != nil {
		return fmt.Errorf("nats: %w: the position of a letter is %.80q, must be a number", queue.ErrConfig, position)
	}
	return nil
}

// message returns the last letter.
func (w *letterWalk) message() queue.Message {
	return decode(w.raw.Header, w.raw.Data, fmt.Sprintf("%s:%d", w.raw.Subject, w.raw.Sequence), w.raw.Time)
}

// Redrive first checks that the letter is still there, because it may have waited for the rate.
func (w *letterWalk) Redrive(ctx context.Context, rewrite queue.Rewrite) (bool, error) {
	there, err := w.there(ctx)
	if err != nil || !there {
		return false, err
	}
	if err := w.publish(ctx, rewrite); err != nil {
		return false, err
	}
	return w.Remove(ctx)
}

// publish publishes the message to the queue. Its dedup name is that of the letter. When the same
// letter is given back twice, because two calls do so or one was killed before it removed the
// letter, no second message is stored.
func (w *letterWalk) publish(ctx context.Context, rewrite queue.Rewrite) error {
	m := w.message()
	m.Headers, m.NotBefore = rewrite.Apply(m.Headers), time.Time{}
	name := "redrive:" + strconv.FormatUint(w.raw.Sequence, 10) + ":" + strconv.FormatInt(w.raw.Time.UnixNano(), 36)
	p := publication{link: w.link}
	p.add(w.q.name, shed(w.home(encode(w.q.name, name, m)), w.link.nc.MaxPayload()), m.ID)
	if failed := p.confirm(ctx); len(failed) > 0 {
		w.q.broker.remember(w.link, w.q.name, false) // the stream may be gone: the next call checks it
		return fmt.Errorf("nats: dead letter %q of %q: %w", m.ID, w.q.name, failed[0].Err)
	}
	return nil
}

func (w *letterWalk) Remove(ctx context.Context) (bool, error) {
	err := w.dead.DeleteMsg(ctx, w.raw.Sequence)
	if err == nil {
		return true, nil
	}
	if there, lookErr := w.there(ctx); lookErr == nil && !there {
		return false, nil
	}
	return false, w.failed(ctx, err)
}

// there reports whether the last letter is still there.
func (w *letterWalk) there(ctx context.Context) (bool, error) {
	_, err := w.get(ctx, w.raw.Sequence)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return false, nil
	}
	if err != nil {
		return false, w.failed(ctx, err)
	}
	return true, nil
}

// get reads one message of the dead-letter queue.
func (w *letterWalk) get(ctx context.Context, seq uint64, opts ...jetstream.GetMsgOpt) (*jetstream.RawStreamMsg,
	error,
) {
	return ask(ctx, w.link, func(ctx context.Context) (*jetstream.RawStreamMsg,
		error,
	) {
		return w.dead.GetMsg(ctx, seq, opts...)
	})
}

// Close does nothing, because the walk holds nothing.
func (w *letterWalk) Close(context.Context) error { return nil }

// failed adds the operation to an error.
func (w *letterWalk) failed(ctx context.Context, err error) error {
	return fmt.Errorf("nats: messages of stream %q: %w", w.name, w.link.answer(ctx, err))
}
