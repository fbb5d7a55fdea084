package chaos

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask"
)

// TestChaos_Network: after each fault of the network nothing is lost, and consumption resumes.
func TestChaos_Network(t *testing.T) {
	for _, tc := range []struct {
		name   string
		strike func(p *Proxy) // and end
		within Span           // of its end
	}{
		{"connections cut", (*Proxy).Cut, soon},
		{"connections refused for 3 s", func(p *Proxy) {
			p.Refuse()
			pause(nil, 3*time.Second)
			_ = p.Accept()
		}, soon},
		{"network stalled for 5 s", func(p *Proxy) {
			p.Stall()
			pause(nil, 5*time.Second)
			p.Clear()
		}, soon},
		{"network slow and attempts shuffled for 2 s", func(p *Proxy) {
			p.Slow(20 * time.Millisecond)
			p.Shuffle(200 * time.Millisecond)
			p.Cut()
			pause(nil, 2*time.Second)
			p.Clear()
		}, soon},
	} {
		for _, kind := range kinds() {
			t.Run(tc.name+"/"+string(kind), func(t *testing.T) {
				at := shared(t, kind)
				p := newProxy(t, at)
				tr := NewTrial(t, tc.name, kind, p.URL(), at)
				tr.Work = 5 * time.Millisecond
				jobs, times := scaled(2000, 6000), scaled(1, 2)
				tr.Publish(jobs)
				tr.Consume(2, gentask.Config{Concurrency: 4, Prefetch: 8})
				for range times {
					tr.Ran(jobs / (4 * times))
					tc.strike(p)
					tr.Struck()
				}
				row := tr.Finish(2)
				require.LessOrEqual(t, row.Resumed, tc.within)
				require.NoError(t, table.Add(row))
			})
		}
	}
}

// TestChaos_Broker: what an operator does to a broker at work.
func TestChaos_Broker(t *testing.T) {
	for _, tc := range []struct {
		name   string
		strike func(r *RabbitMQ) error
	}{
		{"connections closed by the broker", (*RabbitMQ).CloseConnections},
		{"broker stopped and started", func(r *RabbitMQ) error {
			if err := r.Stop(0); err != nil {
				return err
			}
			return r.Start(0)
		}},
		{"policy changed", func(r *RabbitMQ) error {
			if err := r.SetPolicy("chaos", "^chaos-", `{"max-length":1000000}`); err != nil {
				return err
			}
			return r.ClearPolicy("chaos")
		}},
	} {
		for _, kind := range []Kind{Quorum, Classic} {
			if !full && kind == Classic {
				continue
			}
			t.Run(tc.name+"/"+string(kind), func(t *testing.T) {
				r := sharedRabbit(t)
				tr := NewTrial(t, tc.name, kind, r.URL(0), r.guestURL(0))
				tr.Settle()
				tr.Work = 5 * time.Millisecond
				jobs, times := scaled(2000, 8000), scaled(1, 2)
				tr.Publish(jobs)
				tr.Consume(1, gentask.Config{Concurrency: 4, Prefetch: 8})
				for range times {
					tr.Ran(jobs / (4 * times))
					require.NoError(t, tc.strike(r))
					tr.Struck()
				}
				row := tr.Finish(1)
				require.LessOrEqual(t, row.Resumed, soon)
				require.NoError(t, table.Add(row))
			})
		}
	}
}

// kinds are those that a test runs on, all but in the short form.
func kinds() []Kind {
	if full {
		return []Kind{Quorum, Classic, Stream}
	}
	return []Kind{Quorum, Stream}
}
