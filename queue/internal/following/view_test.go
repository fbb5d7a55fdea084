package following_test

import (
	"maps"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/internal/following"
)

// A loop that applies what is to be yielded ends up with the state of the broker, whenever the
// reading begins again and what was missed between.
func TestViewFollows(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		broker, loop := map[string]queue.Revision{}, map[string]queue.Revision{}
		var v following.View
		incarnation, last := "1", queue.Revision(0)
		set := func(key string, revision queue.Revision) {
			if v.Set(key, revision) {
				require.Greater(t, revision, loop[key])
				loop[key] = revision
			}
		}
		gone := func(key string) {
			_, found := loop[key]
			require.Equal(t, found, v.Gone(key))
			delete(loop, key)
		}
		for range rapid.IntRange(1, 20).Draw(t, "rounds") {
			if rapid.IntRange(0, 5).Draw(t, "made again") == 0 {
				clear(broker)
				incarnation += "1"
			}
			if v.Begin(incarnation) {
				clear(loop)
			}
			require.False(t, v.IsWhole())
			for key, revision := range broker {
				set(key, revision)
			}
			for _, key := range v.Whole() {
				require.Contains(t, loop, key)
				delete(loop, key)
			}
			require.True(t, v.IsWhole())
			require.True(t, maps.Equal(broker, loop), "%v, want %v", loop, broker)
			for range rapid.IntRange(0, 10).Draw(t, "changes") {
				key := rapid.SampledFrom([]string{"a", "b", "c", "d"}).Draw(t, "key")
				missed := rapid.Bool().Draw(t, "missed")
				if rapid.Bool().Draw(t, "delete") {
					delete(broker, key)
					if !missed {
						gone(key)
					}
					continue
				}
				last++
				broker[key] = last
				if !missed {
					set(key, last)
				}
			}
		}
	})
}

func TestAliveIsDueAndTrue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var v following.View
		require.False(t, v.Alive(time.Now()), "nothing was read")
		v.Begin("1")
		time.Sleep(time.Minute)
		require.False(t, v.Alive(time.Now()), "not all was read")
		v.Whole()
		time.Sleep(following.Every - time.Nanosecond)
		require.False(t, v.Alive(time.Now()), "not due")
		time.Sleep(time.Nanosecond)
		require.True(t, v.Alive(time.Now()))
		require.False(t, v.Alive(time.Now()), "once")
		since := time.Now()
		time.Sleep(following.Every + 1)
		require.False(t, v.Alive(since), "too long ago")
		require.True(t, v.Alive(time.Now()))
		v.Begin("1")
		time.Sleep(time.Minute)
		require.False(t, v.Alive(time.Now()), "reads again")
	})
}
