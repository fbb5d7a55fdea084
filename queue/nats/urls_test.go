package nats_test

import (
	"context"
	"errors"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/nats"
)

// TestURLsAreAskedForEachConnection: a password that was rotated is used by the next connection,
// and a server that is down is passed over.
func TestURLsAreAskedForEachConnection(t *testing.T) {
	s := ownServer(t, server.Options{JetStream: true, Username: "me", Password: "new"})
	down, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, down.Close())
	var password atomic.Pointer[string]
	say := func(p string) { password.Store(&p) }
	say("old-secret")
	b := newBroker(t, "", nats.Config{URLs: func(context.Context) ([]string, error) {
		return []string{
			"nats://" + down.Addr().String(),
			"nats://me:" + *password.Load() + "@" + s.Addr().String(),
		}, nil
	}})
	q := b.Queue("jobs")
	_, err = q.Open(t.Context(), queue.Options{Prefetch: 1})
	require.Error(t, err)
	require.NotContains(t, err.Error(), "old-secret")
	say("new")
	require.NoError(t, q.Publish(t.Context(), queue.Message{ID: "a"}))
	session, err := q.Open(t.Context(), queue.Options{Prefetch: 1})
	require.NoError(t, err)
	d, err := session.Receive(t.Context())
	require.NoError(t, err)
	require.Equal(t, "a", d.ID)
	require.NoError(t, session.Close(t.Context()))
}

// TestURLsMayFail: a failure of the function is the error of the attempt, and shows no password.
func TestURLsMayFail(t *testing.T) {
	answers := map[string]func(context.Context) ([]string, error){
		"vault is sealed": func(context.Context) ([]string, error) {
			return nil,
				errors.New("vault is sealed")
		},
		"no URL":   func(context.Context) ([]string, error) { return nil, nil },
		"panicked": func(context.Context) ([]string, error) { panic("oops") },
		"a result of Config.URLs \"http": func(context.Context) ([]string,
			error,
		) {
			return []string{"http://u:sesame@h"}, nil
		},
		"did not return": func(ctx context.Context) ([]string, error) {
			<-ctx.Done()
			<-time.After(10 * time.Millisecond)
			return nil, nil
		},
	}
	for want, f := range answers {
		t.Run(want, func(t *testing.T) {
			q := newBroker(t, "", nats.Config{URLs: f}).Queue("jobs")
			ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
			defer cancel()
			_, err := q.Open(ctx, queue.Options{Prefetch: 1})
			require.ErrorContains(t, err, want)
			require.NotContains(t, err.Error(), "sesame")
		})
	}
	_, err := nats.New("nats://h", nats.Config{URLs: answers["no URL"]})
	require.ErrorIs(t, err, queue.ErrConfig)
	require.ErrorContains(t, err, "Config.URLs")
}
