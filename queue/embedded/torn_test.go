package embedded

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/queue"
)

// TestTornConsumer: after a power cut in the middle of a consumer's state, a broker opens, and has
// all messages.
func TestTornConsumer(t *testing.T) {
	for name, state := range map[string][]byte{"empty": {}, "half": {22, 2, 1}, "zeros": make([]byte, 40)} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "data")
			b := newBroker(t, dir, powerConfig)
			q := b.Queue("jobs")
			require.NoError(t, q.Publish(t.Context(), queue.Message{ID: "a"}, queue.Message{ID: "b"}))
			s, err := q.Open(t.Context(), queue.Options{Prefetch: 1})
			require.NoError(t, err)
			d, err := s.Receive(t.Context())
			require.NoError(t, err)
			require.NoError(t, s.Settle(t.Context(), []queue.Settlement{{Delivery: d, Disposition: queue.Ack}}))
			require.NoError(t, s.Close(t.Context()))
			require.NoError(t, b.Close())
			files, err := filepath.Glob(filepath.Join(streamsDir(dir), "jobs", "obs", "*", "o.dat"))
			require.NoError(t, err)
			require.Len(t, files, 1)
			require.NoError(t, os.WriteFile(files[0], state, 0o600))

			s, err = newBroker(t, dir, powerConfig).Queue("jobs").Open(t.Context(), queue.Options{Prefetch: 2})
			require.NoError(t, err)
			d, err = s.Receive(t.Context())
			require.NoError(t, err)
			require.Equal(t, "b", d.ID)
			require.NoError(t, s.Close(t.Context()))
		})
	}
}
