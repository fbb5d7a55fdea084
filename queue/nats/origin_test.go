package nats

import (
	"math"
	"testing"

	natsgo "github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"
)

// FuzzOrigin: every reply subject is read as the client reads it.
func FuzzOrigin(f *testing.F) {
	for _, reply := range []string{
		"$JS.ACK.jobs.gentask.1.2.3.1700000000000000000.5",
		"$JS.ACK.hub.hash.jobs.gentask.7.8.9.1700000000000000001.0.token",
		"$JS.ACK._.hash.jobs.gentask.1.2.3.4.5", "$JS.ACK.", "$JS.ACK.a.b.c.d.e.f.g",
		"$JS.ACK.jobs.gentask.-1.2.3.4.5.6", "other.a.b.1.2.3.4.5", "",
	} {
		f.Add(reply)
	}
	f.Fuzz(func(t *testing.T, reply string) {
		o, ok := originOf(reply)
		if !ok {
			return
		}
		// The client reads only messages of a subscription of its own, and numbers more leniently.
		meta, err := (&natsgo.Msg{Reply: reply, Sub: &natsgo.Subscription{}}).Metadata()
		if err != nil {
			return
		}
		require.Equal(t, meta.Stream, o.stream)
		require.EqualValues(t, meta.NumDelivered, o.delivered)
		require.Equal(t, meta.Timestamp.UnixNano(), o.stored.UnixNano())
		if o.sequence <= math.MaxInt64 {
			require.Equal(t, meta.Sequence.Stream, o.sequence)
		}
	})
}
