package chaos

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/queue/rabbitmq"
)

// TestScenario20_ForcedOff: 20 consumers are forced off for a while. They come back by themselves, all of them, each once.
func TestScenario20_ForcedOff(t *testing.T) {
	outage := time.Duration(scaled(3, 30)) * time.Second
	for _, tc := range []struct {
		name   string
		off    func(r *RabbitMQ, p *Proxy) error
		on     func(r *RabbitMQ, p *Proxy) error
		refuse bool // the broker answers: the wait for the next attempt grows
	}{
		{"connections refused", func(_ *RabbitMQ, p *Proxy) error {
			p.Refuse()
			return nil
		}, func(_ *RabbitMQ, p *Proxy) error { return p.Accept() }, false},
		{"wrong password", func(r *RabbitMQ, _ *Proxy) error {
			return errors.Join(r.SetPassword("wrong"), r.CloseConnections())
		}, func(r *RabbitMQ, _ *Proxy) error { return r.SetPassword(Password) }, true},
		{"rights withdrawn", func(r *RabbitMQ, _ *Proxy) error {
			return errors.Join(r.WithdrawRights(), r.CloseConnections())
		}, func(r *RabbitMQ, _ *Proxy) error { return r.GiveRights() }, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			const consumers = 20
			r := sharedRabbit(t)
			p := newProxy(t, r.URL(0))
			tr := NewTrial(t, "20 consumers forced off: "+tc.name, Quorum, p.URL(), r.guestURL(0))
			tr.Publish(400)
			cfg := gentask.Config{Concurrency: 2}
			if tc.refuse {
				cfg.Reconnect.Max = 1500 * time.Millisecond // a broker that refuses is asked less and less often, down to this
			}
			tr.Consume(consumers, cfg)
			tr.Ran(300)
			start := time.Now()
			require.NoError(t, tc.off(r, p))
			pause(nil, outage)
			require.NoError(t, tc.on(r, p))
			tr.Publish(400)
			back := time.Now()
			tr.Struck()
			tr.Eventually("all consume again", func() bool { return consuming(tr) == consumers })
			t.Logf("all are back after %v", time.Since(back))
			took := time.Since(start)
			row := tr.Finish(consumers)
			require.NoError(t, table.Add(row))
			if !tc.refuse {
				require.LessOrEqual(t, row.Resumed, soon)
			} else {
				// RabbitMQ takes three seconds to refuse a login, and the one that was under way when the fault ended is refused, too.
				require.LessOrEqual(t, row.Resumed, soon+refusal)
				backsOff(t, tr, took)
			}
		})
	}
}

const refusal = Span(3 * time.Second)

// backsOff: nobody hammers a broker that refuses, and what it says is told.
func backsOff(t *testing.T, tr *Trial, took time.Duration) {
	t.Helper()
	attempts, refused := map[string]int{}, 0
	for _, ev := range tr.Events(gentask.EventOpenFailed) {
		if errors.Is(ev.Reason, rabbitmq.ErrRefused) {
			refused++
		}
		attempts[ev.Consumer]++
	}
	require.Positive(t, refused)
	most := 5 + int(took/(750*time.Millisecond)) // waits of at least 50, 100, 200, 400, and then 750 ms
	for name, n := range attempts {
		require.LessOrEqual(t, n, most, "%s asked too often within %v", name, took)
	}
}

// TestScenario20_VirtualHostGone: it is deleted with everything in it, and made again: the queue is declared again, and all consume.
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
