package main

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/gentask/gentask/queue"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The pages are where the program says, and show the three queues and the three nodes. When it is
// told to end, it does, and leaves nothing behind.
func TestTheShopIsShown(t *testing.T) {
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	said, out := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		defer out.Close()
		ended <- run(ctx, listener, out)
	}()
	text := make([]byte, 1000)
	n, err := said.Read(text)
	require.NoError(t, err)
	go func() { _, _ = io.Copy(io.Discard, said) }()
	_, url, found := strings.Cut(string(text[:n]), "dashboard at ")
	require.True(t, found, "%s", text[:n])
	url, _, _ = strings.Cut(url, "\n")

	require.Eventually(t, func() bool {
		page := get(t, url)
		for _, word := range []string{"orders", "emails", "thumbnails", "web-1", "worker-1", "worker-2"} {
			if !strings.Contains(page, word) {
				return false
			}
		}
		return true
	}, time.Minute, 50*time.Millisecond)
	stop()
	require.NoError(t, <-ended)
}

func get(t *testing.T, url string) string {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	require.NoError(t, err)
	request.Close = true
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	require.Equal(t, http.StatusOK, response.StatusCode)
	page, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return string(page)
}

// The bugs of the shop become dead letters with a stack, grouped by the place of the panic.
func TestPanicsAreLetters(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	s, err := open(ctx)
	require.NoError(t, err)
	ended := make(chan error, 1)
	go func() { ended <- s.run(ctx) }()
	require.NoError(t, publish(ctx, s.orders, "no items", order{Customer: "anna", Cents: 100}, time.Time{}))
	require.NoError(t, publish(ctx, s.orders, "a guest", order{Customer: "guest", Cents: 100, Items: 1}, time.Time{}))
	places := map[string]string{"no items": "perItem", "a guest": "cityOf"}
	require.Eventually(t, func() bool {
		for letter, err := range s.orders.Letters().All(ctx, queue.LetterFilter{}) {
			require.NoError(t, err)
			if place := places[letter.ID]; place != "" && strings.Contains(letter.Stack, place) {
				require.Contains(t, letter.Log, "billing")
				delete(places, letter.ID)
			}
		}
		return len(places) == 0
	}, time.Minute, 50*time.Millisecond)
	stop()
	require.NoError(t, <-ended)
	require.NoError(t, s.close())
}
