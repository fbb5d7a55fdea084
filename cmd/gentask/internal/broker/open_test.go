package broker_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/cmd/gentask/internal/broker"
)

// TestOpen_SaysWhatWouldBeRight about a URL that names no broker, without its password.
func TestOpen_SaysWhatWouldBeRight(t *testing.T) {
	for url, want := range map[string]string{
		"":                               "GENTASK_URL",
		"localhost":                      "amqp://",
		"redis://ana:geheim@host":        `scheme is "redis"`,
		"file:":                          "file:./data",
		"amqp://ana:geheim@host:port/":   "amqp",
		"nats://ana:geheim@host:4222/@x": "nats",
		"postgres://ana:geheim@host:x/y": "xxxxx",
	} {
		_, err := broker.Open(t.Context(), broker.Config{URL: url})
		require.ErrorIs(t, err, broker.ErrURL, url)
		require.ErrorContains(t, err, want, url)
		require.NotContains(t, err.Error(), "geheim")
	}
}

// TestOpen_MakesNoDirectory by mistake, and leaves other files alone.
func TestOpen_MakesNoDirectory(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new")
	_, err := broker.Open(t.Context(), broker.Config{URL: "file:" + dir})
	require.ErrorIs(t, err, broker.ErrURL)
	require.NoDirExists(t, dir)

	foreign := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(foreign, "thesis.txt"), nil, 0o600))
	for _, create := range []bool{false, true} {
		_, err = broker.Open(t.Context(), broker.Config{URL: "file://" + foreign, Create: create})
		require.ErrorIs(t, err, broker.ErrURL)
	}

	b, err := broker.Open(t.Context(), broker.Config{URL: "file:" + dir, Create: true})
	require.NoError(t, err)
	defer func() { require.NoError(t, b.Close()) }()
	require.ErrorIs(t, b.Find(t.Context(), "emails"), broker.ErrNoQueue)
	_, err = broker.Open(t.Context(), broker.Config{URL: "file:" + dir})
	require.ErrorIs(t, err, broker.ErrAway)
	require.ErrorContains(t, err, "Only one process")
}
