package rabbitmq

import (
	"context"
	"crypto/rand"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gentask/gentask/internal/brokertest"
	"github.com/gentask/gentask/queue"
	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is the longest wait for an event that must come.
const patience = 10 * time.Second

// newQueue returns a fresh queue of a broker of its own, and deletes both after the test.
func newQueue(t testing.TB, cfg Config) *Queue {
	t.Helper()
	b, err := New(brokertest.RabbitMQ(t), cfg)
	require.NoError(t, err)
	q := b.Queue("gentask-test-" + strings.ToLower(rand.Text()[:10]))
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		require.NoError(t, q.Delete(ctx))
		require.NoError(t, b.Close())
	})
	return q
}

// url returns the broker's URL.
func (q *Queue) url(t testing.TB) string {
	t.Helper()
	urls, err := q.broker.addresses.URLs(t.Context())
	require.NoError(t, err)
	return urls[0]
}

// open opens a session and closes it after the test.
func open(t testing.TB, q queue.Source, prefetch int) *session {
	t.Helper()
	s, err := q.Open(t.Context(), queue.Options{Prefetch: prefetch, Name: "test"})
	require.NoError(t, err)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		_ = s.Close(ctx)
	})
	return s.(*session)
}

// receive waits for one delivery.
func receive(t testing.TB, s queue.Session) *queue.Delivery {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	d, err := s.Receive(ctx)
	require.NoError(t, err)
	return d
}

// original returns what the broker has sent for a delivery that is held.
func (s *session) original(d *queue.Delivery) *amqp.Delivery {
	s.mu.Lock() // a flush moves the rows
	defer s.mu.Unlock()
	return s.prefix.find(d.Tag).original()
}

// quiet requires that nothing arrives for a while.
func quiet(t testing.TB, s queue.Session) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	_, err := s.Receive(ctx)
	require.ErrorIs(t, err, context.DeadlineExceeded)
}

// foreign runs f with a channel of a bare client.
func foreign(t testing.TB, f func(ch *amqp.Channel)) {
	t.Helper()
	conn, err := amqp.Dial(brokertest.RabbitMQ(t))
	require.NoError(t, err)
	defer conn.Close()
	ch, err := conn.Channel()
	require.NoError(t, err)
	f(ch)
}

// changed returns the broker's URL with a change.
func changed(t testing.TB, change func(u *url.URL)) string {
	t.Helper()
	u, err := url.Parse(brokertest.RabbitMQ(t))
	require.NoError(t, err)
	change(u)
	return u.String()
}

// recorder is a Source that can break the sessions that it opened.
type recorder struct {
	queue.Source

	mu   sync.Mutex
	open []*session
}

func (r *recorder) Open(ctx context.Context, opts queue.Options) (queue.Session, error) {
	s, err := r.Source.Open(ctx, opts)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.open = append(r.open, s.(*session))
	return s, nil
}

// Backlog implements queue.BacklogReporter.
func (r *recorder) Backlog(ctx context.Context) (int, error) {
	return r.Source.(queue.BacklogReporter).Backlog(ctx)
}

// Break cuts the sockets, as a network fault would.
func (r *recorder) Break() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range r.open {
		s.link.cut()
	}
}

// Held asks every session that is not over to flush, waits until its broker has handled that, and
// returns how many deliveries are then unsettled.
func (r *recorder) Held(ctx context.Context) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := 0
	for _, s := range r.open {
		if s.ended() != nil {
			continue
		}
		s.send(nil, everything)
		if err := s.ask(ctx, func() error { return s.channel.Qos(s.prefetch, 0, false) }); err != nil {
			return 0, err
		}
		s.mu.Lock()
		n += s.prefix.open
		s.mu.Unlock()
	}
	return n, nil
}
