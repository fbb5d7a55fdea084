package nats

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// feed reads the messages of a store's stream, first those that are there, then each that comes. It
// is used by one goroutine.
type feed struct {
	link     *link
	stream   string
	consumer string
	pull     string // the subject of requests for messages
	answers  *natsgo.Subscription
	asked    int    // messages that were requested and have not come
	answered bool   // a request was
	got      uint64 // the number of the last message at the consumer
	last     uint64 // its sequence in the stream
}

// Bounds of a feed.
const (
	batch     = 256
	pullTime  = 30 * time.Second
	idleTime  = 40 * time.Second // after which the server removes the consumer of a client that is gone
	startTime = 2 * time.Second
)

// entry is one message of a feed.
type entry struct {
	subject string
	header  natsgo.Header
	data    []byte
	seq     uint64
}

// errGap is the reason to begin again.
var errGap = errors.New("nats: messages were lost on their way")

// feed starts to read the records with a prefix; without their values if bare.
func (s *store) feed(ctx context.Context, l *link, prefix string, bare bool) (*feed, error) {
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	c, err := l.js.CreateConsumer(ctx, s.bucket.stream, jetstream.ConsumerConfig{
		DeliverPolicy:     jetstream.DeliverAllPolicy, // there is one message for each key
		AckPolicy:         jetstream.AckNonePolicy,
		FilterSubject:     s.bucket.filter(prefix),
		HeadersOnly:       bare,
		InactiveThreshold: idleTime,
		MemoryStorage:     true,
		Replicas:          1,
	})
	if err != nil {
		return nil, l.answer(ctx, err)
	}
	about := c.CachedInfo()
	f := &feed{
		link: l, stream: s.bucket.stream, consumer: about.Name,
		pull: l.api + "CONSUMER.MSG.NEXT." + s.bucket.stream + "." + about.Name,
	}
	if f.answers, err = l.nc.SubscribeSync(l.nc.NewInbox()); err != nil {
		return nil, err
	}
	if err := f.answers.SetPendingLimits(-1, -1); err != nil { // the requests are the limit
		return nil, err
	}
	return f, f.demand()
}

// demand requests more messages when half of the last request has come. The first request may get
// lost, because a server of a cluster learns late of a new consumer at another. It is therefore one
// that is answered at once, and is repeated until that.
func (f *feed) demand() error {
	request := fmt.Appendf(nil, `{"batch":%d,"no_wait":true}`, batch)
	switch {
	case !f.answered:
		f.asked = batch
	case f.asked > batch/2:
		return nil
	default:
		f.asked += batch
		request = fmt.Appendf(nil, `{"batch":%d,"expires":%d}`, batch, pullTime.Nanoseconds())
	}
	return f.link.nc.PublishRequest(f.pull, f.answers.Subject, request)
}

// receive returns the next answer to a request.
func (f *feed) receive(ctx context.Context) (*natsgo.Msg, error) {
	for !f.answered {
		soon, cancel := context.WithTimeout(ctx, retryEvery)
		m, err := f.answers.NextMsgWithContext(soon)
		cancel()
		if err == nil {
			f.answered = true
			return m, nil
		}
		if soon.Err() == nil {
			return nil, err
		}
		if again := f.demand(); again != nil || ctx.Err() != nil {
			return nil, errors.Join(again, err)
		}
	}
	return f.answers.NextMsgWithContext(ctx)
}

// next returns the next message. Its error is that of ctx, or the reason to begin again.
func (f *feed) next(ctx context.Context) (entry, error) {
	for {
		m, err := f.receive(ctx)
		if err != nil {
			return entry{}, err
		}
		if m.Reply == "" { // it is not of the stream
			if err := f.status(m, m.Header.Get("Status")); err != nil {
				return entry{}, err
			}
			continue
		}
		about, err := m.Metadata()
		if err != nil {
			return entry{}, err
		}
		if f.got++; about.Sequence.Consumer != f.got {
			return entry{}, errGap
		}
		f.asked--
		f.last = about.Sequence.Stream
		return entry{m.Subject, m.Header, m.Data, f.last}, f.demand()
	}
}

// status handles the end of a request, which the server may report with what is left of it.
func (f *feed) status(m *natsgo.Msg, status string) error {
	if status != "408" && status != "404" {
		return fmt.Errorf("nats: the server has ended a watch: %s %s", status, m.Header.Get("Description"))
	}
	left, err := strconv.Atoi(m.Header.Get("Nats-Pending-Messages"))
	if err != nil {
		left = f.asked
	}
	f.asked -= left
	return f.demand()
}

// close ends the feed. The server removes the consumer by itself if it does not get the request.
func (f *feed) close() {
	if f == nil {
		return
	}
	_ = f.answers.Unsubscribe()
	_ = f.link.nc.Publish(f.link.api+"CONSUMER.DELETE."+f.stream+"."+f.consumer, nil)
}

// whole reports whether all messages up to a sequence were returned. The server's own count of what
// is left is not exact while messages are replaced.
func (f *feed) whole(seq uint64) bool { return f.last >= seq }
