package telemetry_test

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/memory"
	"github.com/gentask/gentask/telemetry"
)

// shape is what a metric must look like.
type shape struct {
	unit   string
	labels []string
}

// shapes are the metrics of a consumer, and what they look like. Labels are never IDs.
var shapes = map[string]shape{
	"messaging.process.duration":          {"s", []string{"messaging.system", "messaging.operation.name", "messaging.destination.name", "error.type", "kind", "outcome"}},
	"messaging.client.operation.duration": {"s", []string{"messaging.system", "messaging.operation.name", "messaging.operation.type", "messaging.destination.name", "error.type", "kind", "outcome"}},
	"messaging.client.consumed.messages":  {"{message}", []string{"messaging.system", "messaging.operation.name", "messaging.destination.name", "kind"}},
	"messaging.client.sent.messages":      {"{message}", []string{"messaging.system", "messaging.operation.name", "messaging.destination.name", "error.type"}},
	"gentask.job.queue_time":              {"s", []string{"queue", "kind"}},
	"gentask.job.attempts":                {"{attempt}", []string{"queue", "kind", "outcome"}},
	"gentask.held":                        {"{delivery}", []string{"queue"}},
	"gentask.running":                     {"{job}", []string{"queue"}},
	"gentask.abandoned":                   {"{task}", []string{"queue"}},
	"gentask.breaker.state":               {"{state}", []string{"queue"}},
	"gentask.breaker.keys":                {"{key}", []string{"queue"}},
	"gentask.healthy":                     {"{state}", []string{"queue"}},
	"gentask.starved":                     {"{state}", []string{"queue"}},
	"gentask.ledger.turn_age":             {"s", []string{"queue"}},
	"gentask.hook.failures":               {"{call}", []string{"queue"}},
	"gentask.session.opens":               {"{session}", []string{"queue"}},
	"gentask.settle.refusals":             {"{settlement}", []string{"queue"}},
	"gentask.queue.waiting":               {"{message}", []string{"queue"}},
	"gentask.queue.oldest_age":            {"s", []string{"queue"}},
	"gentask.letters":                     {"{message}", []string{"queue"}},
	"gentask.outbox.backlog":              {"{message}", []string{"queue"}},
	"gentask.outbox.oldest_age":           {"s", []string{"queue"}},
}

// aged is a queue that knows how long messages wait.
type aged struct{ *memory.Queue }

func (aged) OldestAge(context.Context) (time.Duration, error) { return 90 * time.Second, nil }

var (
	ok   = gentask.NewKind[int]("ok")
	bad  = gentask.NewKind[int]("bad")
	busy = gentask.NewKind[int]("busy")
)

// everything runs jobs of several kinds and outcomes, and returns the metrics at the end, while the
// consumer runs. It must be called in a bubble.
func everything(t *testing.T, b *backend) map[string]metricdata.Metrics {
	t.Helper()
	q := aged{memory.New(memory.Config{Name: "work"})}
	t.Cleanup(func() { q.Close() })
	p, err := telemetry.NewPublisher(q, b.Config)
	require.NoError(t, err)
	for _, kind := range []gentask.Kind[int]{ok, ok, ok, bad, busy} {
		_, err := kind.Publish(t.Context(), p, 1)
		require.NoError(t, err)
	}
	c, err := gentask.New(q, gentask.MuxKinds(
		ok.Handle(func(context.Context, int) error { time.Sleep(20 * time.Millisecond); return nil }),
		bad.Handle(func(context.Context, int) error { return errors.New("bad") }, gentask.KindOptions{MaxAttempts: 2}),
		busy.Handle(func(ctx context.Context, _ int) error { <-ctx.Done(); return nil }, gentask.KindOptions{Timeout: -1}),
	), gentask.Config{
		Logger: slog.New(slog.DiscardHandler),
		Policy: gentask.Policy{Middleware: []gentask.Middleware{telemetry.Middleware(b.Config)}},
	})
	require.NoError(t, err)
	stop, err := telemetry.Instrument(c, b.Config)
	require.NoError(t, err)
	unwatch, err := telemetry.Backlog(b.Config, "outbox/emails", func(context.Context) (int, time.Duration, error) {
		return 7, time.Minute, nil
	})
	require.NoError(t, err)
	b.metrics(t) // the first collection makes the broker be asked
	require.NoError(t, c.Start())
	time.Sleep(time.Minute)
	all := b.metrics(t)
	t.Cleanup(func() {
		_, err = c.Stop(context.Background())
		require.NoError(t, err)
		stop()
		stop()
		unwatch()
	})
	return all
}

// TestMetrics_FollowTheConventions: the names, units, labels and bounds of all.
func TestMetrics_FollowTheConventions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all := everything(t, newBackend())
		for name, m := range all {
			want, known := shapes[name]
			require.True(t, known, name)
			require.Equal(t, want.unit, m.Unit, name)
			require.NotEmpty(t, m.Description, name)
			for _, p := range points(t, m) {
				for label := range p.attributes {
					require.Contains(t, want.labels, label, name)
				}
			}
		}
		for name := range shapes {
			require.Contains(t, all, name)
		}
		for _, name := range []string{"messaging.process.duration", "messaging.client.operation.duration"} {
			bounds := all[name].Data.(metricdata.Histogram[float64]).DataPoints[0].Bounds
			require.Equal(t, []float64{0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10}, bounds, name)
		}
	})
}

// sum adds up the values, or the counts of a histogram, of the points that have the labels.
func sum(t *testing.T, m metricdata.Metrics, labels ...string) (sum float64) {
	t.Helper()
	for _, p := range points(t, m) {
		fits := true
		for i := 0; i < len(labels); i += 2 {
			fits = fits && p.attributes[labels[i]] == labels[i+1]
		}
		switch {
		case fits && p.count > 0:
			sum += float64(p.count)
		case fits:
			sum += p.value
		}
	}
	return sum
}

// TestMetrics_Count what has happened, once.
func TestMetrics_Count(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all := everything(t, newBackend())
		const memory = "messaging.system"
		for _, one := range []struct {
			want   float64
			name   string
			labels []string
		}{
			{5, "messaging.client.sent.messages", []string{memory, "memory", "messaging.operation.name", "send"}},
			{3, "messaging.process.duration", []string{"kind", "ok", "outcome", "ack", "error.type", ""}},
			{1, "messaging.process.duration", []string{"kind", "bad", "outcome", "requeue", "error.type", "*errors.errorString"}},
			{1, "messaging.process.duration", []string{"kind", "bad", "outcome", "dead_letter", "error.type", "*errors.errorString"}},
			{5, "messaging.process.duration", []string{memory, "memory", "messaging.destination.name", "work", "messaging.operation.name", "process"}},
			{5, "messaging.client.consumed.messages", []string{memory, "memory"}},
			{2, "messaging.client.consumed.messages", []string{"kind", "bad"}},
			{1, "messaging.client.operation.duration", []string{"messaging.operation.name", "reject", "messaging.operation.type", "settle"}},
			{1, "messaging.client.operation.duration", []string{"messaging.operation.name", "nack"}},
			{5, "messaging.client.operation.duration", []string{"messaging.operation.name", "send", "messaging.operation.type", "send"}},
			{5, "gentask.job.queue_time", nil},
			{5, "gentask.job.attempts", nil},
			{1, "gentask.job.attempts", []string{"kind", "bad", "outcome", "dead_letter"}},
			{1, "gentask.running", []string{"queue", "work"}},
			{1, "gentask.held", nil},
			{0, "gentask.abandoned", nil},
			{1, "gentask.healthy", nil},
			{0, "gentask.starved", nil},
			{0, "gentask.breaker.state", nil},
			{1, "gentask.session.opens", nil},
			{0, "gentask.queue.waiting", []string{"queue", "work"}},
			{1, "gentask.letters", []string{"queue", "work"}},
			{90, "gentask.queue.oldest_age", nil},
			{7, "gentask.outbox.backlog", []string{"queue", "outbox/emails"}},
			{60, "gentask.outbox.oldest_age", nil},
		} {
			require.InDelta(t, one.want, sum(t, all[one.name], one.labels...), 0, "%s %v", one.name, one.labels)
		}
		require.LessOrEqual(t, sum(t, all["gentask.ledger.turn_age"]), 0.5)
		for _, p := range points(t, all["messaging.process.duration"]) {
			if p.attributes["kind"] == "ok" {
				require.InDelta(t, 3*0.02, p.value, 1e-6, "seconds")
			}
		}
	})
}

// TestMetrics_SurviveTheirEnd: what was counted before stop is exported after it, once.
func TestMetrics_SurviveTheirEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBackend()
		q := memory.New(memory.Config{Name: "work"})
		defer q.Close()
		for n := 1; n <= 3; n++ {
			b.publish(t, t.Context(), q, queue.Message{Body: []byte("1")})
			b.runAll(t, q, gentask.Handle(func(context.Context, int) error { return nil }), gentask.Config{})
			all := b.metrics(t)
			require.InDelta(t, n, points(t, all["messaging.client.consumed.messages"])[0].value, 0)
			require.NotContains(t, all, "gentask.running", "gauges end")
		}
	})
}

// TestMetrics_HaveTheAttributesOfTheConfig, and the names that it gives.
func TestMetrics_HaveTheAttributesOfTheConfig(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBackend()
		b.System, b.Queue = "kafka", "topic"
		b.Attributes = []attribute.KeyValue{attribute.String("part", "a")}
		q := memory.New(memory.Config{Name: "work"})
		defer q.Close()
		b.publish(t, t.Context(), q, queue.Message{Body: []byte("1")})
		b.runAll(t, q, gentask.Handle(func(context.Context, int) error { return nil }), gentask.Config{})
		p := points(t, b.metrics(t)["messaging.process.duration"])[0]
		require.Equal(t, map[string]string{
			"part": "a", "messaging.system": "kafka", "messaging.destination.name": "topic",
			"messaging.operation.name": "process", "outcome": "ack",
		}, p.attributes)
		require.Len(t, b.all("process topic"), 1)
	})
}

// slow is a broker that does not answer.
type slow struct {
	*memory.Queue
	hang chan struct{}
	asks atomic.Int32
}

func (s *slow) Inspect(context.Context) (queue.Stats, error) { s.asks.Add(1); <-s.hang; panic("late") }

func (s *slow) Backlog(ctx context.Context) (int, error) { return 0, ctx.Err() }

// TestMetrics_OfABrokerThatHangs: a collection does not wait for it, and its figures are left out.
// It is asked a bounded number of times, and not while nobody collects.
func TestMetrics_OfABrokerThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBackend()
		q := &slow{Queue: memory.New(memory.Config{}), hang: make(chan struct{})}
		defer q.Close()
		c, err := gentask.New(q, gentask.Handle(func(context.Context, int) error { return nil }), gentask.Config{})
		require.NoError(t, err)
		stop := instrument(t, c, b.Config)
		time.Sleep(time.Hour)
		require.Zero(t, q.asks.Load(), "nobody collects")
		for range 300 {
			begin := time.Now()
			all := b.metrics(t)
			require.Zero(t, time.Since(begin), "a collection waits for nothing")
			require.NotContains(t, all, "gentask.queue.waiting")
			require.Contains(t, all, "gentask.held")
			time.Sleep(time.Second)
		}
		asked := q.asks.Load()
		require.LessOrEqual(t, asked, int32(16), "calls that hang are not repeated for ever")
		require.Greater(t, asked, int32(3))
		stop()
		close(q.hang)
		synctest.Wait()
	})
}

// counting counts how often a broker is asked.
type counting struct {
	*memory.Queue
	asks atomic.Int32
	fail atomic.Bool
}

func (c *counting) Inspect(ctx context.Context) (queue.Stats, error) {
	c.asks.Add(1)
	if c.fail.Load() {
		return queue.Stats{}, errors.New("away")
	}
	return c.Queue.Inspect(ctx)
}

func (c *counting) Backlog(ctx context.Context) (int, error) {
	if c.fail.Load() {
		return 0, errors.New("away")
	}
	return c.Queue.Backlog(ctx)
}

// TestMetrics_AskTheBrokerNowAndThen: at most once in an interval however often metrics are
// collected, and no more when nobody collects. A figure that is old is left out.
func TestMetrics_AskTheBrokerNowAndThen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBackend()
		q := &counting{Queue: memory.New(memory.Config{})}
		defer q.Close()
		c, err := gentask.New(q, gentask.Handle(func(context.Context, int) error { return nil }), gentask.Config{})
		require.NoError(t, err)
		defer instrument(t, c, b.Config)()
		b.metrics(t)
		synctest.Wait()
		for range 1000 {
			require.Contains(t, b.metrics(t), "gentask.queue.waiting")
			time.Sleep(100 * time.Millisecond)
		}
		require.InDelta(t, 20, q.asks.Load(), 2, "100 s")
		time.Sleep(time.Hour)
		rest := q.asks.Load()
		require.Less(t, rest, int32(20+2+3*60/5+2), "three more minutes")
		time.Sleep(time.Hour)
		require.Equal(t, rest, q.asks.Load())

		require.NotContains(t, b.metrics(t), "gentask.queue.waiting", "an hour old")
		synctest.Wait()
		require.Contains(t, b.metrics(t), "gentask.queue.waiting")
		q.fail.Store(true)
		time.Sleep(10 * time.Second)
		require.Contains(t, b.metrics(t), "gentask.queue.waiting", "ten seconds old")
		time.Sleep(15 * time.Second)
		require.NotContains(t, b.metrics(t), "gentask.queue.waiting", "older than three intervals")
		q.fail.Store(false)
		time.Sleep(6 * time.Second)
		require.Contains(t, b.metrics(t), "gentask.queue.waiting")
	})
}

// TestConfig_ThatMakesNoSense is refused, with what would be right.
func TestConfig_ThatMakesNoSense(t *testing.T) {
	q := memory.New(memory.Config{})
	defer q.Close()
	c, err := gentask.New(q, gentask.Handle(func(context.Context, int) error { return nil }), gentask.Config{})
	require.NoError(t, err)
	look := func(context.Context) (int, time.Duration, error) { return 0, 0, nil }
	for want, try := range map[string]func() error{
		"consumer is nil": func() error { _, err := telemetry.Instrument(nil, telemetry.Config{}); return err },
		"want 0 for 5s": func() error {
			_, err := telemetry.Instrument(c, telemetry.Config{Interval: time.Millisecond})
			return err
		},
		"Config.Attributes[0]": func() error {
			_, err := telemetry.Instrument(c, telemetry.Config{Attributes: []attribute.KeyValue{{}}})
			return err
		},
		"publisher is nil":           func() error { _, err := telemetry.NewPublisher(nil, telemetry.Config{}); return err },
		"1s at least":                func() error { _, err := telemetry.NewPublisher(q, telemetry.Config{Interval: -1}); return err },
		"name of a backlog is empty": func() error { _, err := telemetry.Backlog(telemetry.Config{}, "", look); return err },
		"look is nil":                func() error { _, err := telemetry.Backlog(telemetry.Config{}, "a", nil); return err },
	} {
		err := try()
		require.ErrorIs(t, err, queue.ErrConfig)
		require.ErrorContains(t, err, want)
	}
}
