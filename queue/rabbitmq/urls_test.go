package rabbitmq

import (
	"context"
	"errors"
	"net"
	"net/url"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gentask/gentask/internal/brokertest"
	"github.com/gentask/gentask/queue"
	"github.com/stretchr/testify/require"
)

// asked returns a queue whose broker is where f returns.
func asked(t *testing.T, f func(context.Context) ([]string, error)) *Queue {
	t.Helper()
	direct := newQueue(t, Config{Type: Classic})
	b, err := New("", Config{Type: Classic, URLs: f})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, b.Close()) })
	return b.Queue(direct.name)
}

// TestURLsAreAskedForEachConnection: a password that was rotated is used by the next connection.
func TestURLsAreAskedForEachConnection(t *testing.T) {
	right := brokertest.RabbitMQ(t)
	wrong := changed(t, func(u *url.URL) { u.User = url.UserPassword("guest", "old-secret") })
	var now atomic.Pointer[string]
	now.Store(&wrong)
	q := asked(t, func(context.Context) ([]string, error) { return []string{*now.Load()}, nil })
	_, err := q.Open(t.Context(), queue.Options{Prefetch: 1})
	require.ErrorIs(t, err, ErrRefused)
	require.NotContains(t, err.Error(), "old-secret")
	now.Store(&right)
	require.NoError(t, q.Publish(t.Context(), queue.Message{ID: "a"}))
	s := open(t, q, 1)
	now.Store(&wrong) // what is connected stays so
	require.Equal(t, "a", receive(t, s).ID)
	require.NoError(t, q.Publish(t.Context(), queue.Message{ID: "b"}))
}

// TestURLsAreTriedInOrder: a node that is down, and one that accepts the connection and sends
// nothing, cost their share of the time and no more. If every node fails, the error has all of them
// and is the refusal, if there is one.
func TestURLsAreTriedInOrder(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer silent.Close()
	down, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, down.Close())
	bad := []string{"amqp://" + down.Addr().String(), "amqp://" + silent.Addr().String()}
	all := append(bad, brokertest.RabbitMQ(t))
	q := asked(t, func(context.Context) ([]string, error) { return all, nil })
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Second)
	defer cancel()
	s, err := q.Open(ctx, queue.Options{Prefetch: 1})
	require.NoError(t, err)
	require.NoError(t, s.Close(t.Context()))

	refused := changed(t, func(u *url.URL) { u.User = url.UserPassword("guest", "sesame") })
	nobody := asked(t, func(context.Context) ([]string, error) { return []string{bad[0], refused}, nil })
	_, err = nobody.Open(t.Context(), queue.Options{Prefetch: 1})
	require.ErrorIs(t, err, ErrRefused)
	require.ErrorContains(t, err, down.Addr().String())
	var dial *net.OpError
	require.NotErrorAs(t, err, &dial, "a refusal must not be taken for a failed dial")
	require.NotContains(t, err.Error(), "sesame")
}

// TestURLsMayFail: a failure of the function is the error of the attempt, and shows no password.
func TestURLsMayFail(t *testing.T) {
	sealed := errors.New("vault is sealed")
	answers := map[string]func(context.Context) ([]string, error){
		"vault is sealed": func(context.Context) ([]string, error) { return nil, sealed },
		"no URL":          func(context.Context) ([]string, error) { return nil, nil },
		"panicked":        func(context.Context) ([]string, error) { panic("oops") },
		"Config.URLs, result 1 is": func(context.Context) ([]string, error) {
			return []string{"http://u:sesame@h"},
				nil
		},
		"did not return": func(ctx context.Context) ([]string, error) {
			<-ctx.Done()
			<-time.After(10 * time.Millisecond)
			return nil, nil
		},
	}
	for want, f := range answers {
		t.Run(want, func(t *testing.T) {
			q := asked(t, f)
			for _, try := range []func(ctx context.Context) error{
				func(ctx context.Context) error {
					_, err := q.Open(ctx, queue.Options{Prefetch: 1})
					return err
				},
				func(ctx context.Context) error { return q.Publish(ctx, queue.Message{}) },
			} {
				ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
				err := try(ctx)
				cancel()
				require.ErrorContains(t, err, want)
				require.NotContains(t, err.Error(), "sesame")
			}
		})
	}
	_, err := New("amqp://h", Config{URLs: answers["no URL"]})
	require.ErrorIs(t, err, queue.ErrConfig)
	require.ErrorContains(t, err, "Config.URLs")
}
