package scenario_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/internal/rig"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/memory"
)

// TestKeyFunc_HasACopy: one that sets fields of the message, which it must not, changes neither the
// job nor the next key.
func TestKeyFunc_HasACopy(t *testing.T) {
	rig.Memory().Run(t, func(r *rig.Rig) {
		var keyed []string
		rude := func(m *queue.Message) string {
			keyed = append(keyed, m.ID)
			m.ID, m.Body = "forged", nil
			return "k"
		}
		r.Send(queue.Message{ID: "1", Body: []byte("1")})
		batch := gentask.Batch(func(_ context.Context, jobs []gentask.Job[string]) (gentask.Results, error) {
			require.Equal(r, "1", jobs[0].ID())
			require.Equal(r, "1", jobs[0].Payload())
			return gentask.AllDone(jobs), nil
		}, gentask.BatchConfig{Key: rude})
		r.Start(batch, gentask.Config{Policy: gentask.Policy{Order: gentask.Order{Key: rude}, Fairness: gentask.Fairness{Key: rude}}})
		r.Finish()
		require.Equal(r, []string{"1", "1", "1"}, keyed)
		require.Equal(r, queue.Ack, eventOf(r, "1").Disposition)
	})
}

// TestKeyHeader_WantsAName wherever there is a key.
func TestKeyHeader_WantsAName(t *testing.T) {
	batch := gentask.Batch(func(context.Context, []gentask.Job[int]) (gentask.Results, error) { return nil, nil }, //nolint:nilnil // not run
		gentask.BatchConfig{Key: gentask.KeyHeader("")})
	_, err := gentask.New(memory.New(memory.Config{}), batch, gentask.Config{})
	require.ErrorIs(t, err, gentask.ErrConfig)
	require.ErrorContains(t, err, `BatchConfig.Key is KeyHeader(""); want the name of a header`)
}
