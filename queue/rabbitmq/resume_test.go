package rabbitmq

import (
	"errors"
	"math/rand/v2"
	"strconv"
	"testing"

	"github.com/gentask/gentask/queue"
	"github.com/stretchr/testify/require"
)

// pauseAndResume cancels the intake and resumes it. It returns what was still on its way.
func pauseAndResume(t *testing.T, s *session) (late []*queue.Delivery) {
	t.Helper()
	require.NoError(t, s.Cancel(t.Context()))
	for {
		d, err := s.Receive(t.Context())
		if errors.Is(err, queue.ErrCancelled) {
			break
		}
		require.NoError(t, err)
		late = append(late, d)
	}
	require.NoError(t, s.Resume(t.Context()))
	return late
}

// TestResume_KeepsThePrefetch (I2): deliveries from before a pause count for the prefetch after it.
// For each one that is settled there is room for one more, also with all of them unsettled, and
// over several pauses.
func TestResume_KeepsThePrefetch(t *testing.T) {
	for _, kind := range []QueueType{Classic, Quorum} {
		t.Run(string(kind), func(t *testing.T) {
			const prefetch = 4
			q := newQueue(t, Config{Type: kind})
			s := open(t, q, prefetch)
			require.NoError(t, q.Publish(t.Context(), numbered(30)...))
			var held []*queue.Delivery
			for range prefetch {
				held = append(held, receive(t, s))
			}
			for range 3 {
				require.Empty(t, pauseAndResume(t, s))
				quiet(t, s)
				for range 2 { // one after the other
					require.NoError(t, s.Settle(t.Context(), one(held[0], queue.Ack, 0)))
					held = append(held[1:], receive(t, s))
					quiet(t, s)
				}
			}
			require.Len(t, held, prefetch)
			for _, d := range held {
				require.NoError(t, s.Settle(t.Context(), one(d, queue.Ack, 0)))
			}
			for range prefetch {
				receive(t, s)
			}
			quiet(t, s)
			require.NoError(t, s.Cancel(t.Context()))
			_, err := s.Receive(t.Context())
			require.ErrorIs(t, err, queue.ErrCancelled)
		})
	}
}

// TestResume_AnyOrder: pauses, resumes, receives and settlements in any order. The session never
// holds more than its prefetch, and every message comes.
func TestResume_AnyOrder(t *testing.T) {
	const jobs = 300
	for seed := range uint64(4) {
		t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 1))
			prefetch := 1 + rng.IntN(8)
			q := newQueue(t, Config{Type: Classic})
			s := open(t, q, prefetch)
			require.NoError(t, q.Publish(t.Context(), numbered(jobs)...))
			var held []*queue.Delivery
			done := 0
			for done < jobs {
				switch {
				case rng.IntN(20) == 0:
					held = append(held, pauseAndResume(t, s)...)
				case len(held) < prefetch && len(held) < jobs-done:
					held = append(held, receive(t, s))
				default:
					i := rng.IntN(len(held))
					require.NoError(t, s.Settle(t.Context(), one(held[i], queue.Ack, 0)))
					held = append(held[:i], held[i+1:]...)
					done++
				}
				require.LessOrEqual(t, len(held), prefetch)
				s.mu.Lock()
				arrived := s.prefix.open + len(s.inbox)
				s.mu.Unlock()
				require.LessOrEqual(t, arrived, prefetch, "the broker has sent more")
			}
			quiet(t, s)
		})
	}
}
