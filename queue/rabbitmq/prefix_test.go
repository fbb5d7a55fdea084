package rabbitmq

import (
	"slices"
	"testing"

	"github.com/gentask/gentask/queue"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// heldAs returns a delivery of that tag.
func heldAs(tag uint64) *held { return &held{Delivery: queue.Delivery{Tag: tag}} }

// channelModel models the broker's handling of the frames of one channel.
type channelModel struct {
	unacked []uint64 // rising
	acked   map[uint64]bool
	back    map[uint64]bool
	parked  map[uint64]bool
}

// apply applies a frame as RabbitMQ does; false means that it would close the channel with 406.
func (m *channelModel) apply(f frame) bool {
	at, found := slices.BinarySearch(m.unacked, f.tag)
	if !found {
		return false
	}
	from, target := at, m.acked
	switch f.kind {
	case ackOne:
	case ackUpTo:
		from = 0
	case giveBack:
		target = m.back
	case park:
		target = m.parked
	}
	for _, tag := range m.unacked[from : at+1] {
		target[tag] = true
	}
	m.unacked = slices.Delete(m.unacked, from, at+1)
	return true
}

// TestPrefixAgainstModel: in any order of settlements and flushes, no frame covers a tag that is
// not settled. Each settlement reaches the wire exactly once and with its kind, nothing is refused,
// and an impatient flush leaves nothing behind.
func TestPrefixAgainstModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var p prefix
		broker := channelModel{acked: map[uint64]bool{}, back: map[uint64]bool{}, parked: map[uint64]bool{}}
		var next uint64
		var open []uint64
		acked, back, parked := map[uint64]bool{}, map[uint64]bool{}, map[uint64]bool{}
		settle := func(t *rapid.T, as map[uint64]bool, call func(uint64)) {
			if len(open) == 0 {
				t.Skip("nothing is open")
			}
			i := rapid.IntRange(0, len(open)-1).Draw(t, "which")
			as[open[i]] = true
			call(open[i])
			open = slices.Delete(open, i, i+1)
		}
		flush := func(t *rapid.T, far reach, most int) {
			for _, f := range p.flush(nil, far, most) {
				require.True(t, broker.apply(f), "refused: %+v", f)
			}
			for _, tag := range open {
				require.Contains(t, broker.unacked, tag, "settled at the broker, but open here")
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"hold": func(*rapid.T) {
				next++
				open = append(open, next)
				p.hold(heldAs(next))
				broker.unacked = append(broker.unacked, next)
			},
			"ack":       func(t *rapid.T) { settle(t, acked, p.ack) },
			"give back": func(t *rapid.T) { settle(t, back, p.giveBack) },
			"park":      func(t *rapid.T) { settle(t, parked, p.park) },
			"flush": func(t *rapid.T) {
				flush(t, reach(rapid.IntRange(0, 2).Draw(t, "far")), rapid.IntRange(0, 8).Draw(t, "most"))
			},
		})
		for tag := range next + 2 {
			require.Equal(t, slices.Contains(open, tag), p.find(tag) != nil, "tag %d", tag)
		}
		flush(t, everything, 0)
		require.Equal(t, acked, broker.acked)
		require.Equal(t, back, broker.back)
		require.Equal(t, parked, broker.parked)
		require.ElementsMatch(t, open, broker.unacked)
		require.Zero(t, p.pending())
	})
}

func TestPrefixOfOneFrame(t *testing.T) {
	var p prefix
	for tag := range uint64(100) {
		p.hold(heldAs(tag + 1))
	}
	for _, tag := range []uint64{3, 1, 2, 5} {
		p.ack(tag)
	}
	require.Equal(t, []frame{{3, ackUpTo}}, p.flush(nil, thePrefix, 1), "5 waits for 4")
	p.giveBack(4)
	require.Equal(t, []frame{{4, giveBack}, {5, ackOne}}, p.flush(nil, thePrefix, 1),
		"the broker must not find 4 when it acknowledges")
}

// TestPrefixOvertaken: an acknowledgement that has overtaken an open delivery waits for one flush
// that sends the late ones, not for two.
func TestPrefixOvertaken(t *testing.T) {
	var p prefix
	for tag := range uint64(3) {
		p.hold(heldAs(tag + 1))
	}
	p.ack(2)
	require.Empty(t, p.flush(nil, theLate, 1))
	p.ack(3)
	require.Empty(t, p.flush(nil, thePrefix, 2))
	require.Equal(t, []frame{{2, ackOne}}, p.flush(nil, theLate, 2))
	require.Equal(t, 1, p.pending())
	p.ack(1)
	require.Equal(t, []frame{{3, ackUpTo}}, p.flush(nil, thePrefix, 2))
}

// TestPrefixForgets: one delivery that takes for ever costs no memory for those that pass it by.
func TestPrefixForgets(t *testing.T) {
	var p prefix
	p.hold(heldAs(1))
	for tag := uint64(2); tag < 100_000; tag++ {
		p.hold(heldAs(tag))
		p.ack(tag)
		p.flush(nil, thePrefix, 0)
	}
	require.Less(t, cap(p.rows), 1024)
	require.NotNil(t, p.find(1))
	require.Nil(t, p.find(2))
}
