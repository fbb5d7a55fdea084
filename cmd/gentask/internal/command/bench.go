package command

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/gentask/gentask/cmd/gentask/internal/bench"
	"github.com/gentask/gentask/cmd/gentask/internal/broker"
	"github.com/gentask/gentask/cmd/gentask/internal/terminal"
)

func (a *app) bench() *cli.Command {
	return &cli.Command{
		Name: "bench", Usage: "measure how fast a broker takes and delivers jobs",
		Description: `bench makes a queue of its own, publishes jobs that do nothing, and consumes them
at the same time. It shows how many messages a second the broker has confirmed, and how many jobs a
second were done and acknowledged. The latencies are the times from the publishing of a message to the
start of its run: the median, the 99th percentile and the longest.

Without --rate messages are published as fast as the broker confirms them, so those that wait are the
latency. With a rate below the broker's limit it is the broker's own. Everything runs in one process,
on this machine: its processors and its way to the broker count, too. The broker's other users feel
the load.

The queue's name begins with gentask-bench-, and no queue that exists is used. The queue is deleted at
the end, also after a signal; a second signal does not wait for that. A directory of an embedded
broker that does not exist is made, and removed.`,
		Flags: []cli.Flag{
			&cli.IntFlag{Name: "jobs", Value: 10_000, Usage: "how many jobs to publish"},
			&cli.IntFlag{Name: "size", Value: 100, Usage: "`BYTES` of the body of each"},
			&cli.IntFlag{Name: "concurrency", Value: 1000, Usage: "how many jobs run at a time"},
			&cli.IntFlag{Name: "publishers", Value: 4, Usage: "how many publish at a time"},
			&cli.IntFlag{Name: "batch", Value: 100, Usage: "how many messages each publishes together"},
			&cli.FloatFlag{
				Name: "rate", HideDefault: true,
				Usage: "how many jobs to publish in a second, 0 for as many as possible",
			},
			queueTypeFlag(),
		},
		Action: a.do(spec{open: benching}, runBench),
	}
}

// benching opens the broker for a queue of the command's own.
func benching(s *session, cfg *broker.Config) {
	cfg.Temporary, cfg.QueueType = true, broker.QueueType(s.String("queue-type"))
}

// benchPrefix begins the names of queues that bench makes.
const benchPrefix = "gentask-bench-"

// benchLine is what bench writes as JSON.
type benchLine struct {
	System       string  `json:"system"`
	Queue        string  `json:"queue"`
	Jobs         int     `json:"jobs"`
	Size         int     `json:"size"`
	Published    int     `json:"published"`
	Publishing   float64 `json:"publishing_seconds"`
	PublishedPer float64 `json:"published_per_second"`
	Done         int     `json:"done"`
	Seconds      float64 `json:"seconds"`
	DonePer      float64 `json:"done_per_second"`
	P50          float64 `json:"latency_p50_seconds"`
	P99          float64 `json:"latency_p99_seconds"`
	Max          float64 `json:"latency_max_seconds"`
}

func runBench(ctx context.Context, s *session) (err error) {
	cfg, err := s.benchConfig()
	if err != nil {
		return err
	}
	q, err := s.makeQueue(ctx, benchPrefix+strings.ToLower(rand.Text()[:12]))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.deleteQueue(ctx, q)) }()
	s.screen.Notef("measuring with queue %s, which is deleted at the end", q.Name())
	progress := s.screen.Progress("done", cfg.Jobs)
	cfg.Progress = progress.Add
	result, err := bench.Run(ctx, q, cfg)
	progress.End()
	if err != nil && result.Done == 0 {
		return err
	}
	s.showBench(q.Name(), cfg, result)
	return err
}

// The most that bench takes: beyond that it would need more memory than most machines have.
const (
	mostJobs  = 10_000_000
	mostSize  = 128 << 20
	mostCount = 100_000 // of what is at the same time
)

// benchConfig returns that of the flags.
func (s *session) benchConfig() (bench.Config, error) {
	for _, f := range []struct {
		name        string
		least, most int
	}{
		{"jobs", 1, mostJobs},
		{"size", 0, mostSize},
		{"concurrency", 1, mostCount},
		{"publishers", 1, mostCount},
		{"batch", 1, mostCount},
	} {
		if n := s.Int(f.name); n < f.least || n > f.most {
			return bench.Config{}, usagef("--%s is %d; want %d to %d", f.name, n, f.least, f.most)
		}
	}
	if rate := s.Float("rate"); !(rate >= 0) { // negated, because a NaN must fail too
		return bench.Config{}, usagef("--rate is %v; want a positive number, or 0 for no limit", rate)
	}
	return bench.Config{
		Jobs: s.Int("jobs"), Size: s.Int("size"), Publishers: s.Int("publishers"), Batch: s.Int("batch"),
		Concurrency: s.Int("concurrency"), Rate: s.Float("rate"),
		Logger: slog.New(logHandler(s.app.Err, s.screen.IsJSON(), slog.LevelWarn)),
	}, nil
}

// makeQueue makes a queue of the command's own.
func (s *session) makeQueue(ctx context.Context, name string) (broker.OwnQueue, error) {
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	return s.broker.Make(ctx, name)
}

// deleteQueue deletes a queue that makeQueue has made, also when ctx has ended. It gives up at a
// second signal.
func (s *session) deleteQueue(ctx context.Context, q broker.OwnQueue) error {
	ctx, cancel := s.bounded(context.WithoutCancel(ctx))
	var watch sync.WaitGroup
	defer watch.Wait()
	defer cancel()
	watch.Go(func() {
		select {
		case <-s.app.Hurry:
			cancel()
		case <-ctx.Done():
		}
	})
	if err := q.Delete(ctx); err != nil {
		return fmt.Errorf("queue %q is left at the broker, and must be deleted there: %w", q.Name(), err)
	}
	return nil
}

// showBench shows what was measured.
func (s *session) showBench(name string, cfg bench.Config, r bench.Result) {
	published, done := perSecond(r.Published, r.Publishing), perSecond(r.Done, r.Took)
	if s.screen.IsJSON() {
		s.screen.Object(benchLine{
			System: s.broker.System(), Queue: name, Jobs: cfg.Jobs, Size: cfg.Size,
			Published: r.Published, Publishing: r.Publishing.Seconds(), PublishedPer: published,
			Done: r.Done, Seconds: r.Took.Seconds(), DonePer: done,
			P50: r.P50.Seconds(), P99: r.P99.Seconds(), Max: r.Max.Seconds(),
		})
		return
	}
	table := s.screen.Table("BROKER", "JOBS", "BYTES", "PUBLISHED/S", "DONE", "DONE/S", "P50", "P99", "MAX")
	table.Row(terminal.Plain(s.broker.System(), strconv.Itoa(cfg.Jobs), strconv.Itoa(cfg.Size),
		fmt.Sprintf("%.0f", published), strconv.Itoa(r.Done), fmt.Sprintf("%.0f", done),
		briefly(r.P50), briefly(r.P99), briefly(r.Max))...)
	table.Close()
}

// perSecond returns a rate; 0 within no time.
func perSecond(n int, within time.Duration) float64 {
	if within <= 0 {
		return 0
	}
	return float64(n) / within.Seconds()
}

// briefly returns a duration with three digits.
func briefly(d time.Duration) string {
	for unit := time.Second; unit >= time.Microsecond; unit /= 1000 {
		if d >= unit {
			return d.Round(unit / 100).String()
		}
	}
	return d.String()
}
