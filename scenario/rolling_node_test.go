package scenario_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/codec"
	"github.com/gentask/gentask/internal/rig"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/nats"
	"github.com/gentask/gentask/queue/rabbitmq"
)

// The environment of a node of TestScenario42_RollingRestarts.
const (
	rollingDir     = "GENTASK_ROLLING_DIR" // where it writes what it runs
	rollingBroker  = "GENTASK_ROLLING_BROKER"
	rollingURL     = "GENTASK_ROLLING_URL"
	rollingQueue   = "GENTASK_ROLLING_QUEUE"
	rollingRelease = "GENTASK_ROLLING_RELEASE"
)

// rollingQueueOf connects to the queue of the test.
func rollingQueueOf(broker, url, name string) (source queue.Source, publisher queue.Publisher, b io.Closer, err error) {
	if broker == "RabbitMQ" {
		b, err := rabbitmq.New(url, rabbitmq.Config{Type: rabbitmq.Quorum})
		if err != nil {
			return nil, nil, nil, err
		}
		q := b.Queue(name)
		return q, q, b, nil
	}
	natsBroker, err := nats.New(url, nats.Config{})
	if err != nil {
		return nil, nil, nil, err
	}
	q := natsBroker.Queue(name)
	return q, q, natsBroker, nil
}

// rollingNode is the process of one node: of the old release, or of the new one, which supports a
// kind, a version and a content type more. It drains when it is told to end.
func rollingNode(dir string) (code int) {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	source, _, broker, err := rollingQueueOf(os.Getenv(rollingBroker), os.Getenv(rollingURL), os.Getenv(rollingQueue))
	if err == nil {
		err = rollingRun(ctx, source, filepath.Join(dir, "runs"), os.Getenv(rollingRelease) == "new")
		_ = broker.Close()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func rollingRun(ctx context.Context, source queue.Source, to string, newer bool) error {
	runs, err := os.OpenFile(to, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600) //nolint:gosec // the test's own
	if err != nil {
		return err
	}
	defer func() { _ = runs.Close() }()
	run := gentask.Handle(func(ctx context.Context, _ string) error {
		job, _ := gentask.FromContext(ctx)
		if err := rig.Pause(ctx, 5*time.Millisecond); err != nil {
			return err
		}
		_, err := fmt.Fprintln(runs, job.ID(), job.Attempt()) // one write: it is whole
		return err
	})
	kinds, versions := map[string]gentask.Behavior{"old": run}, []string{"1"}
	codecs := []codec.Codec{codec.Raw("text/old")}
	if newer {
		kinds["new"] = run
		versions = append(versions, "2")
		codecs = append(codecs, codec.Raw("text/new"))
	}
	set, err := codec.New(codec.Config{Codecs: codecs, Untyped: "text/old"})
	if err != nil {
		return err
	}
	return gentask.Run(ctx, source, gentask.Mux("kind", kinds), gentask.Config{
		Concurrency: 5, Versions: versions, Decode: set.Decode,
		Unknown: gentask.Unknown{Wait: gentask.Backoff{Base: 200 * time.Millisecond, Max: time.Second}}, // the test has no minutes
		OnEvent: func(ev gentask.Event) {
			if ev.Kind == gentask.EventSessionOpened {
				fmt.Println("up")
			}
		},
	})
}

// rollingMessage is the nth message of the test: every other one is what only the new release can
// do.
func rollingMessage(n int) queue.Message {
	kind, version, contentType := "old", "1", "text/old"
	switch n % 6 {
	case 1:
		kind = "new"
	case 3:
		version = "2"
	case 5:
		contentType = "text/new"
	}
	return queue.Message{
		ID: fmt.Sprintf("job-%04d", n), Body: []byte("x"), ContentType: contentType,
		Headers: map[string]string{"kind": kind, queue.HeaderVersion: version},
	}
}
