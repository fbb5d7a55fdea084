package chaos

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/queue/nats"
)

// TestChaos_JetStreamOperator: what an operator does to a JetStream at work, while jobs fail. Dead
// letters must be published, and so must some requeues.
func TestChaos_JetStreamOperator(t *testing.T) {
	one := []Kind{Stream}
	for _, o := range []operated[*JetStream]{
		{name: "right to publish withdrawn, jobs fail", kinds: one, set: somefail, strike: streamUnwritable, ends: true, within: Span(3 * time.Second)},
		{name: "max_bytes lowered below what waits, jobs fail", kinds: one, set: somefail, strike: streamNarrowed},
		{name: "max_msg_size lowered below what waits, jobs fail", kinds: one, short: true, set: failLarge, strike: streamShrunk},
		{name: "stream edited and edited back", kinds: one, set: somefail, strike: streamEdited, ends: true},
		{name: "consumer paused", kinds: one, short: true, set: somefail, strike: paused},
		{name: "purged by an operator", kinds: one, short: true, set: unpoisoned, strike: streamPurged},
	} {
		o.run(t, func(t *testing.T) (*JetStream, string, string) {
			j := sharedStream(t)
			return j, j.URL(0), j.guestURL(0)
		})
	}
	operated[*JetStream]{
		name: "store of the server filled by others, jobs fail", kinds: one, set: somefail, strike: occupied,
	}.run(t, func(t *testing.T) (*JetStream, string, string) {
		j, err := startJetStream(1, 32)
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, j.Close()) })
		return j, j.URL(0), j.guestURL(0)
	})
}

// returned strikes, and waits until consumers can't settle something, and give it back.
func returned(tr *Trial, strike func() error) error { return refused(tr, nil, strike) }

// streamUnwritable: the user of the consumers may consume and settle, and not publish. The server
// closes the connections of a user whose rights change.
func streamUnwritable(tr *Trial, j *JetStream) error {
	if err := returned(tr, func() error { return j.WithdrawPublishing(tr.Queue) }); err != nil {
		return err
	}
	tr.Ran(50)
	return j.GiveRights()
}

// streamNarrowed: what waits is far more than the streams may hold.
func streamNarrowed(tr *Trial, j *JetStream) error {
	if err := returned(tr, func() error { return j.Fill(tr.Queue) }); err != nil {
		return err
	}
	tr.Ran(50)
	return j.Empty(tr.Queue)
}

// streamShrunk: large messages wait, and can't be published again, nor as dead letters.
func streamShrunk(tr *Trial, j *JetStream) error {
	if err := returned(tr, func() error { return j.SetSizeLimit(tr.Queue, largeBody/4) }); err != nil {
		return err
	}
	tr.Ran(50)
	return j.SetSizeLimit(tr.Queue, -1)
}

// occupied: the server has no room for anybody.
func occupied(tr *Trial, j *JetStream) error {
	if err := returned(tr, j.Occupy); err != nil {
		return err
	}
	tr.Ran(50)
	return j.Vacate()
}

// streamEdited: the stream may drop messages, which ends the sessions. Health reports the change
// and the right value, and no consumer consumes until that is restored.
func streamEdited(tr *Trial, j *JetStream) error {
	change := func(discard jetstream.DiscardPolicy) error {
		return j.ChangeStreams(tr.Queue, func(s *jetstream.StreamConfig) { s.Discard = discard })
	}
	if err := change(jetstream.DiscardOld); err != nil {
		return err
	}
	tr.Gate.Open()
	var mismatch *nats.MismatchError
	tr.Eventually("health says what was changed", func() bool {
		for _, c := range tr.Consumers() {
			h := c.Health()
			if h.State != gentask.Connecting || !errors.As(h.Error, &mismatch) {
				return false
			}
		}
		return true
	})
	require.ErrorContains(tr, mismatch, "discard is old, must be new")
	return change(jetstream.DiscardNew)
}

// paused: the consumer at the server delivers nothing for a while. Health shows it, and no
// session ends.
func paused(tr *Trial, j *JetStream) error {
	if err := j.Pause(tr.Queue, time.Now().Add(time.Hour)); err != nil {
		return err
	}
	tr.Gate.Open()
	tr.Eventually("health shows it", func() bool {
		for _, c := range tr.Consumers() {
			if !strings.Contains(c.Health().Standby, "paused") {
				return false
			}
		}
		return true
	})
	pause(nil, time.Duration(scaled(1, 3))*time.Second)
	return j.Resume(tr.Queue)
}

// streamPurged: the messages of the queue are gone, also those that are held. These run and are
// settled all the same.
func streamPurged(tr *Trial, j *JetStream) error {
	most := held(tr)
	tr.Eventually("the server has taken all acknowledgements", func() bool {
		at, err := tr.direct.stream.Inspect(tr.Context())
		return err == nil && at.Held == most
	})
	n, err := j.Purge(tr.Queue)
	require.Greater(tr, n, most)
	tr.purge(n - most)
	tr.Gate.Open()
	return err
}
