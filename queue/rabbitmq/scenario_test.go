package rabbitmq

import (
	"context"
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"

	"github.com/gentask/gentask/queue"
	"github.com/stretchr/testify/require"
)

// numbered returns n messages whose ids are their numbers.
func numbered(n int) []queue.Message {
	msgs := make([]queue.Message, n)
	for i := range msgs {
		msgs[i].ID = strconv.Itoa(i)
	}
	return msgs
}

// TestScenario18_StaleSettlementNeverReachesTheNextSession: the same numeric tag exists in the next
// session, and stays unharmed.
func TestScenario18_StaleSettlementNeverReachesTheNextSession(t *testing.T) {
	q := newQueue(t, Config{})
	require.NoError(t, q.Publish(t.Context(), numbered(3)...))
	s1 := open(t, q, 3)
	var old []queue.Settlement
	for range 3 {
		old = append(old, queue.Settlement{Delivery: receive(t, s1), Disposition: queue.Ack})
	}
	s1.link.cut()
	<-s1.lost
	s2 := open(t, q, 3)
	for range 3 {
		require.Contains(t, []uint64{1, 2, 3}, receive(t, s2).Tag)
	}
	require.ErrorIs(t, s1.Settle(t.Context(), old), queue.ErrSessionLost)
	for _, st := range old {
		var failed *queue.SettleError
		require.ErrorAs(t, s2.Settle(t.Context(), []queue.Settlement{st}), &failed)
		require.ErrorIs(t, failed, queue.ErrSettled)
	}
	require.NoError(t, s2.Close(t.Context()))
	s3 := open(t, q, 3)
	for range 3 {
		require.GreaterOrEqual(t, receive(t, s3).Attempt, 2, "a lost session counts")
	}
}

// TestScenario21_QueueDeletedUnderTheConsumer: the broker's cancel ends the session, with no
// phantom delivery, and settlements are refused.
func TestScenario21_QueueDeletedUnderTheConsumer(t *testing.T) {
	for _, kind := range []QueueType{Quorum, Classic} {
		t.Run(string(kind), func(t *testing.T) {
			q := newQueue(t, Config{Type: kind})
			require.NoError(t, q.Publish(t.Context(), numbered(1)...))
			s := open(t, q, 2)
			d := receive(t, s)
			require.NoError(t, q.Delete(t.Context()))
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			phantom, err := s.Receive(ctx)
			require.Nil(t, phantom)
			require.ErrorIs(t, err, queue.ErrSessionLost)
			require.ErrorContains(t, err, "deleted")
			require.ErrorIs(t, s.Settle(ctx, []queue.Settlement{{Delivery: d, Disposition: queue.Ack}}),
				queue.ErrSessionLost)
			require.ErrorIs(t, s.Cancel(ctx), queue.ErrSessionLost)
			require.NoError(t, s.Close(ctx))

			next := open(t, q, 1)
			require.NoError(t, q.Publish(t.Context(), queue.Message{ID: "new"}))
			require.Equal(t, "new", receive(t, next).ID)
		})
	}
}

// TestScenario24_SettleOnce: many goroutines settle the same deliveries with every disposition. One
// settlement each is applied, the others are refused before the wire, and the channel lives: it is
// never closed with 406.
func TestScenario24_SettleOnce(t *testing.T) {
	const n, settlers = 200, 8
	q := newQueue(t, Config{})
	require.NoError(t, q.Publish(t.Context(), numbered(n)...))
	s := open(t, q, n)
	deliveries := make([]*queue.Delivery, n)
	for i := range deliveries {
		deliveries[i] = receive(t, s)
	}
	applied := make([]map[uint64]int, settlers)
	var wg sync.WaitGroup
	for i := range applied {
		applied[i] = map[uint64]int{}
		rng := rand.New(rand.NewPCG(uint64(i), 24))
		wg.Go(func() { settleAtRandom(t, s, deliveries, rng, applied[i]) })
	}
	wg.Wait()
	times := map[uint64]int{}
	for _, one := range applied {
		for tag, k := range one {
			times[tag] += k
		}
	}
	for _, d := range deliveries {
		require.Equal(t, 1, times[d.Tag], "settlements of delivery %d that were applied", d.Tag)
	}
	require.NoError(t, s.Cancel(t.Context()), "the channel still answers")
	require.NoError(t, s.ended())
}

// settleAtRandom settles each delivery, in its own order, and counts what was applied.
func settleAtRandom(t *testing.T, s *session, ds []*queue.Delivery, rng *rand.Rand, applied map[uint64]int) {
	for _, i := range rng.Perm(len(ds)) {
		st := queue.Settlement{Delivery: ds[i], Disposition: queue.Ack + queue.Disposition(rng.IntN(4))}
		err := s.Settle(t.Context(), []queue.Settlement{st, st})
		var failed *queue.SettleError
		if !asSettleError(err, &failed) {
			t.Errorf("settled twice in a batch: %v", err)
			return
		}
		applied[ds[i].Tag] += 2 - len(failed.Failed)
	}
}

// TestScenario25_AcksCoverOnlySettledDeliveries: rounds of acks in random order and random batches.
// Exactly the unsettled deliveries come back.
func TestScenario25_AcksCoverOnlySettledDeliveries(t *testing.T) {
	for _, kind := range []QueueType{Quorum, Classic} {
		t.Run(string(kind), func(t *testing.T) {
			q := newQueue(t, Config{Type: kind})
			for seed := range uint64(8) {
				rng := rand.New(rand.NewPCG(seed, 25))
				want := ackAtRandom(t, q, rng, 1+rng.IntN(300))
				require.ElementsMatch(t, want, drain(t, q, len(want)), "seed %d", seed)
			}
		})
	}
}

// ackAtRandom acknowledges some of n deliveries, in pieces, closes, and returns the ids of the
// others.
func ackAtRandom(t *testing.T, q *Queue, rng *rand.Rand, n int) (unsettled []string) {
	require.NoError(t, q.Publish(t.Context(), numbered(n)...))
	s := open(t, q, 64)
	received := 0
	var held []*queue.Delivery
	for received < n {
		for ; received < n && len(held) < 64; received++ {
			held = append(held, receive(t, s))
		}
		rng.Shuffle(len(held), func(i, j int) { held[i], held[j] = held[j], held[i] })
		k := 1 + rng.IntN(len(held))
		batch := make([]queue.Settlement, k)
		for i := range batch {
			batch[i] = queue.Settlement{Delivery: held[i], Disposition: queue.Ack}
		}
		require.NoError(t, s.Settle(t.Context(), batch))
		held = held[k:]
	}
	if rng.IntN(2) == 0 {
		require.NoError(t, s.Cancel(t.Context())) // as a drain does; it changes nothing
	}
	require.NoError(t, s.Close(t.Context()))
	for _, d := range held {
		unsettled = append(unsettled, d.ID)
	}
	return unsettled
}

// drain takes n messages out of q, requires that there are no more, and returns their ids.
func drain(t *testing.T, q *Queue, n int) []string {
	s := open(t, q, 100)
	var ids []string
	for range n {
		d := receive(t, s)
		ids = append(ids, d.ID)
		require.NoError(t, s.Settle(t.Context(), []queue.Settlement{{Delivery: d, Disposition: queue.Ack}}))
	}
	quiet(t, s)
	require.NoError(t, s.Close(t.Context()))
	return ids
}
