package gentask

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/queue"
)

// TestKeys_HoldUntil: a message with a key is held for Order.Hold from its receipt; with -1 there
// is no limit.
func TestKeys_HoldUntil(t *testing.T) {
	received := time.Now()
	for hold, until := range map[time.Duration]time.Time{
		0:         received.Add(20 * time.Minute),
		time.Hour: received.Add(time.Hour),
		-1:        {},
	} {
		c, err := Config{Policy: Policy{Order: Order{Key: KeyHeader("k"), Hold: hold}}}.settings()
		require.NoError(t, err)
		keys := c.keysOf(&queue.Message{Headers: map[string]string{"k": "a"}}, received)
		require.Equal(t, until, keys.HoldUntil, hold)
		require.Nil(t, c.keysOf(&queue.Message{}, received), "it has no key")
	}
}

// TestKeys_None: without a policy that has keys, a job allocates nothing for them.
func TestKeys_None(t *testing.T) {
	c, err := Config{}.settings()
	require.NoError(t, err)
	m, received := &queue.Message{}, time.Now()
	require.Zero(t, testing.AllocsPerRun(100, func() { c.keysOf(m, received) }))
}

// TestKeyFrom: a key of the greatest length that is remembered is remembered as it is.
func TestKeyFrom(t *testing.T) {
	for _, key := range []string{"", "k", string(make([]byte, maxName))} {
		require.Equal(t, key, keyFrom(key))
	}
}

func TestOrder_Check(t *testing.T) {
	key := KeyHeader("k")
	for want, o := range map[string]Order{
		"Key is nil with Strict; want a function, for example KeyHeader(name)": {Strict: true},
		"Hold is -2ns; want 0 for 20m, -1 for no limit, or more":               {Key: key, Hold: -2},
	} {
		require.EqualError(t, o.check(), want)
	}
	for _, o := range []Order{{}, {Key: key}, {Key: key, Strict: true, Hold: -1}} {
		require.NoError(t, o.check())
	}
}

// TestDecision_Wait: what is tried again in place waits as it was decided. A release waits a while,
// because its cause may last.
func TestDecision_Wait(t *testing.T) {
	for d, want := range map[Decision]time.Duration{
		Requeue(0): 0, Requeue(time.Millisecond): time.Millisecond,
		Snooze(time.Hour): time.Hour, Snooze(0): releasePause, Release(): releasePause,
	} {
		require.Equal(t, want, d.wait(), d.String())
	}
}

func TestBackoff_Check(t *testing.T) {
	require.NoError(t, Backoff{Base: time.Hour}.check(time.Hour))
	require.NoError(t, Backoff{Base: 2 * time.Hour, Max: time.Second}.check(time.Hour))
	require.EqualError(t, Backoff{Base: 2 * time.Hour}.check(time.Hour),
		"Base is 2h0m0s; want 1h0m0s at most, or a Max with it, for 0 means 1h0m0s there")
}
