package fleet_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/fleet"
	"github.com/gentask/gentask/queue"
)

// TestHostile_ChangesNothingElse: records that are no commands are refused and told, and the others
// stay in force. A command replaces a hostile record.
func TestHostile_ChangesNothingElse(t *testing.T) {
	bubble(t, func(w *world) {
		m := w.fleet(1, gentask.Config{Concurrency: 3})[0]
		_, err := m.SetConcurrency(w.Context(), "emails", 2, ana)
		require.NoError(w, err)
		_, err = m.Cancel(w.Context(), "emails", "7", ana)
		require.NoError(w, err)
		time.Sleep(time.Second)
		good := m.consumer.Health().Overrides
		store, err := w.broker.Store(w.Context(), "gentask")
		require.NoError(w, err)
		defer store.Close()
		m.log.all()
		for key, value := range map[string]string{
			"command":                           `{"v":1}`,
			"command.queue.emails.paused":       `{"v":2,"kind":"paused","queue":"emails","on":true}`,
			"command.queue.emails.rate":         `{"v":1,"kind":"rate","queue":"emails","rate":{"per_second":-1}}`,
			"command.queue.emails.breaker_open": `{"v":1,"kind":"paused","queue":"emails","on":true}`,
			"command.queue.others.paused":       `{"v":1,"kind":"paused","queue":"emails","on":true}`,
			"command.queue.emails.unknown":      `{"v":1,"kind":"unknown","queue":"emails","on":true}`,
			"command.cancelled.emails.8":        strings.Repeat("[", 30_000),
			"command.cancelled.emails.9":        `{"v":1,"kind":"cancelled","queue":"emails","job":"9","on":true,"by":"` + strings.Repeat("x", 2000) + `"}`,
			"command.cancelled.emails.10":       "\x00\xff",
			"lease.other":                       "another part's",
		} {
			_, err := store.Put(w.Context(), key, []byte(value), queue.Always, 0)
			require.NoError(w, err)
		}
		time.Sleep(time.Second)
		require.Equal(w, good, m.consumer.Health().Overrides)
		require.Equal(w, gentask.Consuming, m.consumer.Health().State)
		status := must(w, m.Nodes, w.Context())[0]
		require.Len(w, status.Refused, 9)
		require.Contains(w, status.Refused["command.queue.emails.rate"], "PerSecond is -1; want 0 for no limit, or more")
		require.Len(w, m.log.all(), 9, "each is told once")
		command, err := m.Pause(w.Context(), "emails", ana)
		require.NoError(w, err)
		require.Empty(w, must(w, command.Report, w.Context())[0].Consumers[0].Error)
		require.Equal(w, gentask.Paused, m.consumer.Health().State)

		_, err = store.Put(w.Context(), "command.queue.emails.paused", []byte("junk"), queue.Always, 0)
		require.NoError(w, err)
		time.Sleep(time.Second)
		require.Equal(w, gentask.Consuming, m.consumer.Health().State, "as configured, like a node that starts now")
		require.NotEmpty(w, must(w, command.Report, w.Context())[0].Consumers[0].Error)
	})
}

// TestCommands_Refuse: what no node could follow is an error, and what some can't is in their acks.
func TestCommands_Refuse(t *testing.T) {
	bubble(t, func(w *world) {
		small := w.add(fleet.Config{Node: "small"}, sleeping(0), gentask.Config{Concurrency: 2})
		large := w.add(fleet.Config{Node: "large"}, sleeping(0), gentask.Config{Concurrency: 2, Prefetch: 20})
		ctx := w.Context()
		for want, err := range map[string]error{
			"Concurrency is -1": only(small.SetConcurrency(ctx, "emails", -1, ana)),
			"Rate.PerSecond":    only(small.SetRate(ctx, "emails", &gentask.Rate{PerSecond: -1}, ana)),
			"the name of the queue has 0 bytes; want 1 to 1024": only(small.Pause(ctx, "", ana)),
			"the ID of the job is empty":                        only(small.Cancel(ctx, "emails", "", ana)),
			"is not UTF-8":                                      only(small.Cancel(ctx, "emails", "\xff", ana)),
			"Paused.By is a text of 1025 bytes":                 only(small.Pause(ctx, "emails", gentask.Author{By: strings.Repeat("x", 1025)})),
		} {
			require.ErrorIs(w, err, queue.ErrConfig, want)
			require.ErrorContains(w, err, want)
		}
		command, err := small.SetConcurrency(ctx, "emails", 10, ana)
		require.NoError(w, err)
		acks := must(w, command.Report, ctx)
		require.Equal(w, "large", acks[0].Node)
		require.Empty(w, acks[0].Consumers[0].Error)
		require.Contains(w, acks[1].Consumers[0].Error, "Concurrency is 10; want 0 for off, or 1 to 2, which is Config.Prefetch")
		require.Zero(w, small.consumer.Health().Overrides.Concurrency.Value)
		require.Equal(w, 10, large.consumer.Health().Overrides.Concurrency.Value)
	})
}

func only(_ *fleet.Command, err error) error { return err }

// TestAcks_ComeAsTheyAre: each node's ack is yielded once, that of a node that was cut off when it
// is back.
func TestAcks_ComeAsTheyAre(t *testing.T) {
	bubble(t, func(w *world) {
		nodes := w.fleet(3, gentask.Config{})
		cli := w.observer()
		nodes[1].line.Cut()
		command, err := cli.Pause(w.Context(), "emails", ana)
		require.NoError(w, err)
		go func() { time.Sleep(3 * time.Second); nodes[1].line.Restore() }()
		ctx, cancel := context.WithTimeout(w.Context(), 10*time.Second)
		defer cancel()
		begun, at := time.Now(), map[string]time.Duration{}
		for a, err := range command.Acks(ctx) {
			require.NoError(w, err)
			require.NotContains(w, at, a.Node)
			at[a.Node] = time.Since(begun)
		}
		require.Len(w, at, 3)
		require.Less(w, at["node01"], 100*time.Millisecond)
		require.Less(w, at["node02"], 4*time.Second)
		require.Greater(w, at["node02"], 3*time.Second)
	})
}

// TestNodes_AnswerOnceASecond: however many ask, a node asks its consumers at most once a second.
func TestNodes_AnswerOnceASecond(t *testing.T) {
	bubble(t, func(w *world) {
		w.fleet(1, gentask.Config{})
		cli := w.observer()
		made := map[time.Time]bool{}
		begun := time.Now()
		for time.Since(begun) < 5*time.Second {
			made[must(w, cli.Nodes, w.Context())[0].At] = true
		}
		require.LessOrEqual(w, len(made), 6)
		require.GreaterOrEqual(w, len(made), 5)
	})
}

// TestAnswers_ToOtherVersions: questions of any version are answered, and answers with unknown
// fields are read.
func TestAnswers_ToOtherVersions(t *testing.T) {
	bubble(t, func(w *world) {
		m := w.fleet(1, gentask.Config{})[0]
		bus, err := w.broker.Bus(w.Context(), "gentask")
		require.NoError(w, err)
		defer bus.Close()
		for _, question := range []string{`{}`, `{"v":0}`, `{"v":9,"more":{"a":[1]},"from":{"node":"x"}}`} {
			ctx, cancel := context.WithTimeout(w.Context(), time.Second)
			answers := 0
			for answer, err := range bus.Ask(ctx, "nodes", []byte(question)) {
				require.NoError(w, err)
				require.Contains(w, string(answer), `"node":"node01"`)
				answers++
			}
			cancel()
			require.Equal(w, 1, answers, question)
		}
		for _, junk := range []string{"", "{", "null", "7", `{"only":"another"}`} {
			ctx, cancel := context.WithTimeout(w.Context(), time.Second)
			for answer, err := range bus.Ask(ctx, "nodes", []byte(junk)) {
				require.NoError(w, err)
				require.Contains(w, []string{"null"}, junk, string(answer))
			}
			for answer, err := range bus.Ask(ctx, "acks", []byte(junk)) {
				w.Error("an ack", string(answer), err)
			}
			cancel()
		}
		stop, err := bus.Answer("nodes", func([]byte) []byte {
			return []byte(`{"v":9,"node":"newer","novel":true,"consumers":[{"name":"x","novel":1}]}`)
		})
		require.NoError(w, err)
		defer stop()
		stopJunk, err := bus.Answer("nodes", func([]byte) []byte { return []byte("junk") })
		require.NoError(w, err)
		defer stopJunk()
		all := must(w, m.Nodes, w.Context())
		require.Len(w, all, 2)
		require.Equal(w, "newer", all[0].Node)
		require.Equal(w, 9, all[0].Format)
	})
}

// TestLogger_MayHang: a logger that blocks or panics keeps no command from a node.
func TestLogger_MayHang(t *testing.T) {
	bubble(t, func(w *world) {
		release := make(chan struct{})
		for i, log := range []slog.Handler{badLog{func() { <-release }}, badLog{func() { panic("log") }}} {
			c, err := gentask.New(w.queue, sleeping(0), gentask.Config{})
			require.NoError(w, err)
			n, err := fleet.Join(w.Context(), w.broker.Connect(), fleet.Config{Logger: slog.New(log), Name: fmt.Sprint("f", i)}, c)
			require.NoError(w, err)
			_, err = n.SetConcurrency(w.Context(), "emails", 1000, ana) // it is refused, which is logged
			require.NoError(w, err)
			_, err = n.Pause(w.Context(), "emails", ana)
			require.NoError(w, err)
			time.Sleep(time.Second)
			require.True(w, c.Health().Overrides.Paused.Value)
			require.NoError(w, n.Close())
		}
		close(release)
	})
}

type badLog struct{ do func() }

func (badLog) Enabled(context.Context, slog.Level) bool { return true }

func (l badLog) Handle(context.Context, slog.Record) error { l.do(); return nil }

func (l badLog) WithAttrs([]slog.Attr) slog.Handler { return l }

func (l badLog) WithGroup(string) slog.Handler { return l }

// TestClose_LeavesTheConsumers: they go on with the overrides that they have, and the node is gone.
func TestClose_LeavesTheConsumers(t *testing.T) {
	bubble(t, func(w *world) {
		m := w.fleet(1, gentask.Config{})[0]
		cli := w.observer()
		_, err := cli.Pause(w.Context(), "emails", ana)
		require.NoError(w, err)
		time.Sleep(time.Second)
		require.NoError(w, m.Close())
		require.NoError(w, m.Close())
		require.Empty(w, must(w, cli.Nodes, w.Context()))
		require.Equal(w, gentask.Paused, m.consumer.Health().State)
		_, err = m.Resume(w.Context(), "emails", ana)
		require.ErrorIs(w, err, queue.ErrClosed)
		_, err = m.Nodes(w.Context())
		require.ErrorIs(w, err, queue.ErrClosed)
	})
}

// TestNodes_TwoHundred: their answers fit in a fifth of a second beside the wait.
func TestNodes_TwoHundred(t *testing.T) {
	bubble(t, func(w *world) {
		for i := range 200 {
			w.add(fleet.Config{}, sleeping(0), gentask.Config{Name: fmt.Sprint("c", i)})
		}
		cli := w.observer()
		begun := time.Now()
		all := must(w, cli.Nodes, w.Context())
		require.Len(w, all, 200)
		require.Less(w, time.Since(begun), 300*time.Millisecond)
		body, err := json.Marshal(all[0])
		require.NoError(w, err)
		require.Less(w, len(body), 2000)
	})
}
