package scenario_test

import (
	"context"
	"crypto/rand"
	"errors"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/internal/brokertest"
	"github.com/gentask/gentask/internal/chaos"
	"github.com/gentask/gentask/queue"
)

// pause lets a fault last.
func pause(d time.Duration) { <-time.After(d) }

// lasting is how long a fault lasts, in seconds, in the short and in the full form.
func lasting(short, whole float64) time.Duration {
	if full {
		short = whole
	}
	return time.Duration(short * float64(time.Second))
}

func newProxy(t *testing.T, at string) *chaos.Proxy {
	t.Helper()
	p, err := chaos.NewProxy(at)
	require.NoError(t, err)
	t.Cleanup(p.Close)
	return p
}

// end finishes a trial with so many consumers.
func end(t *testing.T, tr *chaos.Trial, consumers int, within chaos.Span) chaos.Row {
	t.Helper()
	row := tr.Finish(consumers)
	require.LessOrEqual(t, row.Resumed, within)
	require.NoError(t, table.Add(row))
	return row
}

// TestScenario19_ServerKilled: the server is killed -9 in the middle of the jobs and started again
// on its data. Nothing is restarted by hand, nothing is lost.
func TestScenario19_ServerKilled(t *testing.T) {
	jobs, kills := scaled(1000, 10_000), scaled(1, 3)
	p := server(t)
	tr := chaos.NewTrial(t, "server killed -9, started again", kind, p.URL(), p.URL())
	tr.Forgetful = true // a claim is on the disk only after a moment
	tr.Publish(jobs)
	tr.Consume(1, gentask.Config{Concurrency: 20, Prefetch: 40})
	for range kills {
		tr.Ran(jobs / (2 * kills))
		require.NoError(t, p.Kill())
		require.NoError(t, p.Start())
		tr.Struck()
	}
	end(t, tr, 1, soon)
}

// TestScenario20_ForcedOff: 20 consumers are forced off for a while, and all of them come back by
// themselves: one that is refused, within what its wait has grown to.
func TestScenario20_ForcedOff(t *testing.T) {
	const most = 1500 * time.Millisecond
	server := server(t)
	at := newDatabase(t, server, "forced", "")
	p := newProxy(t, at)
	for _, tc := range []struct {
		name    string
		off, on func() error
		within  chaos.Span
	}{
		{"connections refused", func() error { p.Refuse(); return nil }, p.Accept, soon},
		{"database closed", func() error {
			_, err := server.SQL("ALTER DATABASE forced ALLOW_CONNECTIONS false", terminate)
			return err
		}, func() error {
			_, err := server.SQL("ALTER DATABASE forced ALLOW_CONNECTIONS true")
			return err
		}, chaos.Span(most) + soon},
	} {
		t.Run(tc.name, func(t *testing.T) {
			const consumers = 20
			tr := chaos.NewTrial(t, "20 consumers forced off: "+tc.name, kind, p.URL(), at)
			tr.Publish(400)
			tr.Consume(consumers, gentask.Config{Concurrency: 2, Reconnect: gentask.Backoff{Max: most}})
			tr.Ran(300)
			tr.Strikes()
			require.NoError(t, tc.off())
			tr.Eventually("nobody consumes", func() bool { return consuming(tr) == 0 })
			pause(lasting(1, 30))
			require.Zero(t, consuming(tr), "somebody still consumes")
			require.NoError(t, tc.on())
			tr.Publish(400)
			tr.Struck()
			tr.Eventually("all consume again", func() bool { return consuming(tr) == consumers })
			end(t, tr, consumers, tc.within)
		})
	}
}

func consuming(tr *chaos.Trial) int {
	n := 0
	for _, c := range tr.Consumers() {
		if c.Health().State == gentask.Consuming {
			n++
		}
	}
	return n
}

// TestScenario21_SchemaDropped: the tables are dropped under a consumer, and made again. It reports
// that it does not consume, and consumes again. Nothing runs that was not published.
func TestScenario21_SchemaDropped(t *testing.T) {
	at := newDatabase(t, server(t), "dropped", "")
	tr := chaos.NewTrial(t, "tables dropped under the consumer", kind, at, at)
	tr.Publish(100)
	tr.Consume(1, gentask.Config{Reconnect: gentask.Backoff{Max: time.Second}})
	for range scaled(1, 5) {
		tr.Drained()
		tr.Bury()
		g := open(t, at, tr.Queue)
		_, err := g.pool.Exec(t.Context(), "DROP SCHEMA gentask CASCADE")
		require.NoError(t, err)
		tr.Eventually("it has noticed", func() bool { return consuming(tr) == 0 })
		pause(500 * time.Millisecond)
		require.Zero(t, consuming(tr))
		require.NoError(t, migrate(at))
		tr.Publish(100)
		tr.Struck()
	}
	require.Zero(t, end(t, tr, 1, soon).Duplicates)
}

// TestScenario22_PublisherCut: the connections for publishing are cut again and again. Every
// message that Publish confirms is there, and Publish names all others.
func TestScenario22_PublisherCut(t *testing.T) {
	at := server(t).URL()
	p := newProxy(t, at)
	tr := chaos.NewTrial(t, "publisher's connection cut", kind, at, p.URL())
	tr.Publish(scaled(2000, 20_000))
	tr.Consume(1, gentask.Config{Concurrency: 50, Prefetch: 100})
	for range scaled(3, 20) {
		tr.Ran(50)
		p.Cut()
		tr.Struck()
	}
	end(t, tr, 1, soon)
}

// TestScenario22_SilentServer: a server that does not answer holds Publish until its context ends,
// and the error names the message.
func TestScenario22_SilentServer(t *testing.T) {
	p := server(t)
	q := open(t, p.URL(), uniqueName(t))
	require.NoError(t, q.Publish(t.Context(), queue.Message{ID: "before"}))
	require.NoError(t, p.Freeze())
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	began := time.Now()
	err := q.Publish(ctx, queue.Message{ID: "late"})
	var failed *queue.PublishError
	require.ErrorAs(t, err, &failed)
	require.Equal(t, "late", failed.Failed[0].ID)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.Less(t, time.Since(began), 30*time.Second)
	require.NoError(t, p.Thaw())
	require.NoError(t, q.Publish(t.Context(), queue.Message{ID: "after"}))
	require.NoError(t, q.Delete(t.Context()))
}

// TestScenario23_WorkerKilled: two worker processes consume, and again and again one of them is
// killed -9 in the middle of its jobs, and replaced. The other one gets what it held within 2 s, as
// a further attempt. Nothing is lost.
func TestScenario23_WorkerKilled(t *testing.T) {
	row := chaos.KillWorkers(t, kind, server(t).URL(), scaled(2, 50), scaled(400, 20_000))
	require.LessOrEqual(t, row.Resumed, soon)
	require.NoError(t, table.Add(row))
}

// TestChaos_Network: after each fault of the network nothing is lost, and consumption resumes.
func TestChaos_Network(t *testing.T) {
	for _, tc := range []struct {
		name   string
		strike func(p *chaos.Proxy) // and end
	}{
		{"connections cut", (*chaos.Proxy).Cut},
		{"connections refused for 3 s", func(p *chaos.Proxy) {
			p.Refuse()
			pause(3 * time.Second)
			_ = p.Accept()
		}},
		{"network stalled", func(p *chaos.Proxy) {
			p.Stall()
			pause(lasting(2.5, 5))
			p.Clear()
		}},
		{"network slow for 2 s", func(p *chaos.Proxy) {
			p.Slow(20 * time.Millisecond)
			p.Cut()
			pause(2 * time.Second)
			p.Clear()
		}},
	} {
		if !full && tc.name != "connections cut" && tc.name != "network stalled" {
			continue
		}
		t.Run(tc.name, func(t *testing.T) {
			at := server(t).URL()
			p := newProxy(t, at)
			tr := chaos.NewTrial(t, tc.name, kind, p.URL(), at)
			strike(t, tr, 2, func() { tc.strike(p) })
		})
	}
}

// strike runs consumers through a fault that strikes and ends.
func strike(t *testing.T, tr *chaos.Trial, consumers int, fault func()) {
	t.Helper()
	strikeWithin(t, tr, consumers, soon, fault)
}

func strikeWithin(t *testing.T, tr *chaos.Trial, consumers int, within chaos.Span, fault func()) {
	t.Helper()
	jobs, times := scaled(600, 6000), scaled(1, 2)
	tr.Work = 5 * time.Millisecond
	tr.Publish(jobs)
	tr.Consume(consumers, gentask.Config{Concurrency: 4, Prefetch: 8})
	for range times {
		tr.Ran(jobs / (4 * times))
		fault()
		tr.Struck()
	}
	end(t, tr, consumers, within)
}

// TestChaos_ConnectionGoesSilent: connections that there are get no more data, and new ones do: the
// consumer gives them up.
func TestChaos_ConnectionGoesSilent(t *testing.T) {
	at := server(t).URL()
	p := newProxy(t, at)
	tr := chaos.NewTrial(t, "connections go silent while messages wait", kind, p.URL(), at)
	strikeWithin(t, tr, 1, 5*chaos.Span(time.Second), p.Freeze) // the time in which silence is noticed
}

// TestChaos_Server: what an operator, or a machine, does to a server at work.
func TestChaos_Server(t *testing.T) {
	for _, tc := range []struct {
		name   string
		strike func(p *brokertest.PostgresServer) error // and end
		full   bool
	}{
		{"connections terminated", func(p *brokertest.PostgresServer) error {
			_, err := p.SQL(terminate)
			return err
		}, false},
		{"server frozen", func(p *brokertest.PostgresServer) error {
			if err := p.Freeze(); err != nil {
				return err
			}
			pause(lasting(2, 5))
			return p.Thaw()
		}, false},
		{"server stopped and started", func(p *brokertest.PostgresServer) error {
			return errors.Join(p.Stop(), p.Start())
		}, true},
		{"server read-only for 3 s", func(p *brokertest.PostgresServer) error {
			if err := p.SetReadOnly(true); err != nil {
				return err
			}
			pause(3 * time.Second)
			return p.SetReadOnly(false)
		}, true},
		{"VACUUM FULL", func(p *brokertest.PostgresServer) error {
			_, err := p.SQL("VACUUM FULL gentask.job", "VACUUM FULL gentask.session", "VACUUM FULL gentask.letter")
			return err
		}, false},
	} {
		if tc.full && !full {
			continue
		}
		t.Run(tc.name, func(t *testing.T) {
			p := server(t)
			tr := chaos.NewTrial(t, tc.name, kind, p.URL(), p.URL())
			strike(t, tr, 2, func() { require.NoError(t, tc.strike(p)) })
		})
	}
}

// TestChaos_Failover: the server is killed, clients are led to its standby, which is read-only for
// a while, and then promoted. Commits wait for the standby, so it has all that was confirmed.
func TestChaos_Failover(t *testing.T) {
	primary := startServer(t, brokertest.PostgresConfig{})
	require.NoError(t, migrate(primary.URL()))
	standby, err := primary.Standby()
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, standby.Close()) })
	operate(t, primary, "ALTER SYSTEM SET synchronous_standby_names = '*'", "SELECT pg_reload_conf()")
	p := newProxy(t, primary.URL())
	tr := chaos.NewTrial(t, "failover: killed, read-only standby for a while, promoted", kind, p.URL(), p.URL())
	tr.Forgetful = true // the standby may not have seen a claim
	jobs := scaled(1000, 6000)
	tr.Work = 5 * time.Millisecond
	tr.Publish(jobs)
	tr.Consume(2, gentask.Config{Concurrency: 4, Prefetch: 8})
	tr.Eventually("the standby is synchronous", func() bool {
		state, err := primary.SQL("SELECT sync_state FROM pg_stat_replication")
		return err == nil && state == "sync"
	})
	tr.Ran(jobs / 4)
	tr.Strikes()
	require.NoError(t, primary.Kill())
	require.NoError(t, p.Redirect(standby.URL()))
	p.Cut()
	pause(lasting(1, 3))
	require.Zero(t, consuming(tr), "on a standby")
	require.NoError(t, standby.Promote())
	tr.Struck()
	end(t, tr, 2, soon)
}

// TestChaos_LongTransaction: a transaction is held open while jobs are published and consumed, so
// that nothing can be vacuumed.
func TestChaos_LongTransaction(t *testing.T) {
	lasts := lasting(1, 120)
	at := server(t).URL()
	tr := chaos.NewTrial(t, "transaction held open", kind, at, at)
	tr.Consume(1, gentask.Config{Concurrency: 50, Prefetch: 100})
	commit := held(t, at)
	for began := time.Now(); time.Since(began) < lasts; {
		tr.Publish(1000)
		tr.Ran(900)
	}
	commit()
	tr.Struck()
	end(t, tr, 1, soon)
}

// TestChaos_DiskFull: the disk is full for a while. Publishing is refused by name, what is held
// can't be settled, and all goes on when there is room again.
func TestChaos_DiskFull(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Log("part of a run as root: it mounts a small file system")
		return
	}
	p := startServer(t, brokertest.PostgresConfig{SmallDisk: "64m"})
	at := newDatabase(t, p, "narrow", "TABLESPACE "+brokertest.SmallTablespace)
	tr := chaos.NewTrial(t, "disk full for a while", kind, at, at)
	g := open(t, at, "of another queue")
	body := make([]byte, 100_000) // which can't be compressed
	_, err := rand.Read(body)
	require.NoError(t, err)
	strike(t, tr, 1, func() {
		fill(t, g)
		tr.Publish(3000)
		tr.Eventually("it is refused", func() bool {
			err := g.Publish(t.Context(), queue.Message{ID: "refused", Body: body})
			return errors.Is(err, queue.ErrUnavailable)
		})
		pause(lasting(1, 3))
		_, err := g.pool.Exec(t.Context(), "DROP TABLE public.filler")
		require.NoError(t, err)
	})
}

// fill leaves no room on the disk, not even for a page.
func fill(t *testing.T, g *guest) {
	t.Helper()
	_, err := g.pool.Exec(t.Context(), "CREATE TABLE public.filler (t text)")
	require.NoError(t, err)
	for _, rows := range []int{4096, 256, 16, 1, 1} {
		for {
			_, err := g.pool.Exec(t.Context(), "INSERT INTO public.filler SELECT repeat('x', 1500) FROM generate_series(1, $1::int)", rows)
			if err != nil {
				break
			}
		}
	}
}
