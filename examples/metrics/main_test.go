package main

import (
	"context"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestMetricsAreServed: what Prometheus would scrape from the program.
func TestMetricsAreServed(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- run(ctx, listener) }()
	require.Eventually(t, func() bool {
		text := get(t, "http://"+listener.Addr().String()+"/metrics")
		for _, line := range []string{
			`messaging_process_duration_seconds_count{`, `gentask_job_attempts_total{kind="email",`,
			`gentask_queue_waiting{`, `gentask_healthy{`,
		} {
			if !contains(text, line) {
				return false
			}
		}
		return true
	}, 30*time.Second, 50*time.Millisecond)
	cancel()
	require.NoError(t, <-ended)
}

func get(t *testing.T, url string) string {
	t.Helper()
	answer, err := http.Get(url) //nolint:gosec,noctx // our own
	require.NoError(t, err)
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	http.DefaultClient.CloseIdleConnections()
	return string(body)
}
