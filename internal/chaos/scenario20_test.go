package chaos

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/queue/nats"
	"github.com/gentask/gentask/queue/rabbitmq"
)

// forcedOff is a way to keep consumers off for a while.
type forcedOff struct {
	name    string
	kind    Kind
	off, on func() error
	refused bool // the broker answers: the wait for the next attempt grows
}

// TestScenario20_ForcedOff: 20 consumers are forced off for a while. They come back by themselves,
// all of them, each once. No consumer hammers a broker that answers and refuses, so there the way
// back takes as long as a wait has grown, 30 s at most (decision 26); one that answers nothing is
// back within 2 s.
func TestScenario20_ForcedOff(t *testing.T) {
	r, j := sharedRabbit(t), sharedStream(t)
	p := newProxy(t, r.URL(0))
	for _, tc := range []forcedOff{
		{"connections refused", Quorum, func() error { p.Refuse(); return nil }, p.Accept, false},
		{
			"wrong password", Quorum,
			func() error { return errors.Join(r.SetPassword("wrong"), r.CloseConnections()) },
			func() error { return r.SetPassword(Password) }, true,
		},
		{"rights withdrawn", Quorum, func() error { return errors.Join(r.WithdrawRights(), r.CloseConnections()) }, r.GiveRights, true},
		{"wrong password", Stream, func() error { return j.SetPassword("wrong") }, j.GiveRights, true},
		{"rights withdrawn", Stream, j.WithdrawRights, j.GiveRights, true},
	} {
		if !full && tc.kind == Stream && tc.name != "rights withdrawn" {
			continue
		}
		t.Run(tc.name+"/"+string(tc.kind), func(t *testing.T) {
			at, direct := p.URL(), r.guestURL(0)
			if tc.kind == Stream {
				at, direct = j.URL(0), j.guestURL(0)
			}
			tc.run(t, NewTrial(t, "20 consumers forced off: "+tc.name, tc.kind, at, direct))
		})
	}
}

func (f forcedOff) run(t *testing.T, tr *Trial) {
	t.Helper()
	const consumers = 20
	outage, most := time.Duration(scaled(3, 30))*time.Second, 30*time.Second
	tr.Publish(400)
	cfg := gentask.Config{Concurrency: 2}
	if f.refused && !full {
		most = 1500 * time.Millisecond
		cfg.Reconnect.Max = most
	}
	tr.Consume(consumers, cfg)
	tr.Ran(300)
	start := time.Now()
	tr.Strikes()
	require.NoError(t, f.off())
	pause(nil, outage)
	require.Zero(t, consuming(tr), "somebody still consumes")
	require.NoError(t, f.on())
	tr.Publish(400)
	back := time.Now()
	tr.Struck()
	tr.Eventually("all consume again", func() bool { return consuming(tr) == consumers })
	t.Logf("all are back after %v", time.Since(back))
	all, took := Span(time.Since(back)), time.Since(start)
	row := tr.Finish(consumers)
	require.NoError(t, table.Add(row))
	if !f.refused {
		require.LessOrEqual(t, row.Resumed, soon)
		return
	}
	// RabbitMQ takes three seconds to refuse a login, and the one that was under way when the fault
	// ended is refused, too.
	require.LessOrEqual(t, all, Span(most)+refusal+soon)
	backsOff(t, tr, took, most)
}

const refusal = Span(3 * time.Second)

// backsOff: no consumer hammers a broker that refuses, and its reason is reported.
func backsOff(t *testing.T, tr *Trial, took, most time.Duration) {
	t.Helper()
	attempts, refused := map[string]int{}, 0
	for _, ev := range tr.Events(gentask.EventOpenFailed) {
		if errors.Is(ev.Reason, rabbitmq.ErrRefused) || errors.Is(ev.Reason, nats.ErrRefused) {
			refused++
		}
		attempts[ev.Consumer]++
	}
	require.Positive(t, refused)
	atMost, wait := 1, 50*time.Millisecond // each wait is at least half of what it may be
	for spent := wait; spent < took; spent += wait {
		atMost, wait = atMost+1, min(2*wait, most/2)
	}
	for name, n := range attempts {
		require.LessOrEqual(t, n, atMost, "%s asked too often within %v", name, took)
	}
}

// TestScenario20_VirtualHostGone: it is deleted with everything in it, and made again: the queue is
// declared again, and all consume.
func TestScenario20_VirtualHostGone(t *testing.T) {
	const consumers, vhost = 5, "fragile"
	r := sharedRabbit(t)
	require.NoError(t, r.AddVHost(vhost))
	at := r.VHostURL(0, vhost)
	tr := NewTrial(t, "virtual host deleted and made again", Quorum, at, at)
	tr.Publish(100)
	tr.Consume(consumers, gentask.Config{})
	tr.Eventually("the queue is empty", func() bool { return tr.open() == 0 && tr.empty(t.Context()) })
	tr.Bury()
	require.NoError(t, r.DeleteVHost(vhost))
	tr.Eventually("all have noticed", func() bool { return consuming(tr) == 0 })
	require.NoError(t, r.AddVHost(vhost))
	tr.Publish(100)
	tr.Struck()
	tr.Eventually("all consume again", func() bool { return consuming(tr) == consumers })
	require.NoError(t, table.Add(tr.Finish(consumers)))
	require.NoError(t, r.DeleteVHost(vhost))
}

func consuming(tr *Trial) int {
	n := 0
	for _, c := range tr.Consumers() {
		if c.Health().State == gentask.Consuming {
			n++
		}
	}
	return n
}

func newProxy(t *testing.T, at string) *Proxy {
	t.Helper()
	p, err := NewProxy(at)
	require.NoError(t, err)
	t.Cleanup(p.Close)
	return p
}
