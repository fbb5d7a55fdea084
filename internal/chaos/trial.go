package chaos

import (
	"bufio"
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask"
)

// Trial is one queue, its messages, and its consumers, while faults strike. Its methods are to be
// called by the test's own goroutine.
type Trial struct {
	testing.TB
	*Tally
	Kind  Kind
	Queue string

	// Work is how long a job takes. It is 2 ms.
	Work time.Duration
	// FailEvery is that every n-th job fails once. Every second one of these is tried again at
	// once, the others after RetryAfter. Zero is that none fails.
	FailEvery  int
	RetryAfter time.Duration
	// LargeEvery is that every n-th message has a body of largeBody bytes. Zero is that none has.
	LargeEvery int
	// Clean means that no message is poison.
	Clean bool
	// Gate holds the jobs of the consumers in this process back while it is shut.
	Gate Gate
	// Limit bounds every wait. It is a minute.
	Limit time.Duration
	// Trust is what consumers take for a broker's certificate, when their URL has TLS.
	Trust *tls.Config
	// Forgetful means that a broker that is killed may forget what it has delivered: then a second
	// delivery is not marked as one.
	Forgetful bool

	mu        sync.Mutex
	row       Row
	direct    *Endpoint
	url       string // where consumers go
	consumers []*gentask.Consumer
	events    []gentask.Event
	publishes sync.WaitGroup
	struckAt  time.Time // when the fault that strikes now began; zero: not noted
	next      int       // of ids
	gone      int       // dead letters that Bury has noted
}

// limit is long for a broker on a busy machine.
const limit = time.Minute

// NewTrial returns a trial on a fresh queue. Consumers reach the broker at the URL; all else
// reaches it at direct, which no proxy disturbs.
func NewTrial(t testing.TB, fault string, kind Kind, at, direct string) *Trial {
	t.Helper()
	tr := &Trial{
		TB: t, Tally: newTally(), Kind: kind, Queue: "chaos-" + strings.ToLower(rand.Text()[:10]), url: at,
		Work: 2 * time.Millisecond, Limit: limit, row: Row{Fault: fault, Broker: kind},
	}
	var err error
	tr.direct, err = Open(kind, direct, tr.Queue)
	require.NoError(t, err)
	t.Cleanup(func() {
		tr.Published()
		require.NoError(t, tr.direct.Close())
	})
	return tr
}

// Settle makes the queue, and waits until it survives a kill of the broker. RabbitMQ 3.10 writes
// the name of a quorum queue to its disk only after half a second, and a queue without a name is
// lost.
func (tr *Trial) Settle() {
	tr.Helper()
	tr.Eventually("the queue is made", tr.answers) // a cluster may have to find itself first
	pause(nil, 1500*time.Millisecond)
}

// spare is how many messages there are at the least for the time after a fault: more than any
// trial's consumers hold.
const spare = 200

// Published waits until everything is published.
func (tr *Trial) Published() { tr.publishes.Wait() }

// Consume starts n consumers in this process. The name and the hook of cfg are the trial's.
func (tr *Trial) Consume(n int, cfg gentask.Config) {
	tr.Helper()
	e, err := OpenTLS(tr.Kind, tr.url, tr.Queue, tr.Trust)
	require.NoError(tr, err)
	tr.Cleanup(func() { require.NoError(tr, e.Close()) })
	cfg.Retry.MaxAttempts = -1
	cfg.Logger = slog.New(slog.DiscardHandler)
	for i := range n {
		cfg.Name = fmt.Sprintf("node-%d", i+1)
		marks := acks(cfg.Name, tr.mark)
		cfg.OnEvent = func(ev gentask.Event) {
			marks(ev)
			switch ev.Kind { //nolint:exhaustive // those of a delivery are too many
			case gentask.EventReceived, gentask.EventStarted, gentask.EventDone:
			default:
				tr.mu.Lock()
				defer tr.mu.Unlock()
				tr.events = append(tr.events, ev)
			}
		}
		c, err := gentask.New(e, behavior(cfg.Name, tr.jobs(), tr.mark), cfg)
		require.NoError(tr, err)
		require.NoError(tr, c.Start())
		tr.consumers = append(tr.consumers, c)
	}
	tr.Cleanup(tr.stop)
}

// Consumers returns those that Consume started.
func (tr *Trial) Consumers() []*gentask.Consumer { return tr.consumers }

// Events returns what the consumers told, of one kind; what they told of single deliveries aside.
func (tr *Trial) Events(kind gentask.EventKind) []gentask.Event {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	var found []gentask.Event
	for _, ev := range tr.events {
		if ev.Kind == kind {
			found = append(found, ev)
		}
	}
	return found
}

// Worker is a consumer in a process of its own.
type Worker struct {
	Node    string
	process *process
	read    sync.WaitGroup
}

// StartWorker starts a worker process, which reports to the tally. It ends with Kill, and with the
// home at the latest.
func (tr *Trial) StartWorker(h *home, node string, concurrency int) *Worker {
	tr.Helper()
	config, err := json.Marshal(workerConfig{
		Kind: tr.Kind, URL: tr.url, Queue: tr.Queue, Node: node, Concurrency: concurrency, Work: tr.Work,
	})
	require.NoError(tr, err)
	cmd, err := self("worker", string(config))
	require.NoError(tr, err)
	in, out := io.Pipe()
	cmd.Stdout = out
	w := &Worker{Node: node}
	w.process, err = h.start(node, cmd)
	require.NoError(tr, err)
	w.read.Go(func() {
		lines := bufio.NewScanner(in)
		for lines.Scan() {
			var m Mark
			if json.Unmarshal(lines.Bytes(), &m) == nil {
				tr.mark(m)
			}
		}
	})
	w.read.Go(func() {
		<-w.process.ended
		_ = out.Close() // it never fails
	})
	return w
}

// Kill kills the process as kill -9 does, and returns when all that it said was heard.
func (w *Worker) Kill() {
	w.process.kill()
	w.read.Wait()
}

// Eventually waits until cond holds, for Limit at the most.
func (tr *Trial) Eventually(what string, cond func() bool) {
	tr.Helper()
	for end := time.Now().Add(tr.Limit); !cond(); pause(nil, 10*time.Millisecond) {
		if time.Now().After(end) {
			for _, c := range tr.consumers {
				tr.Logf("health: %+v", c.Health())
			}
			at, err := tr.direct.state(context.WithoutCancel(tr.Context()))
			tr.Fatalf("%s: waited %v in vain until %s; %d done, %d open (%s), the broker says %+v, %v",
				tr.row.Fault, tr.Limit, what, tr.Done(), tr.open(), tr.missing(), at, err)
		}
	}
}

// Ran waits until n more jobs have run to their end.
func (tr *Trial) Ran(n int) {
	tr.Helper()
	from := tr.Done()
	tr.Eventually(fmt.Sprintf("%d more have run", n), func() bool { return tr.Done() >= from+n || tr.open() == 0 })
}

// Strikes notes that the fault begins now, so that Struck can tell for how long the broker was
// away.
func (tr *Trial) Strikes() { tr.struckAt = time.Now() }

// Struck notes that the fault struck once more, and is over now: it waits until a job begins, and
// notes how long that took. Where consumers went on through the fault, and few messages are left,
// it publishes more.
func (tr *Trial) Struck() {
	tr.Helper()
	at := time.Now()
	tr.row.Times++
	if tr.open() < spare {
		tr.Publish(spare)
	}
	if !tr.struckAt.IsZero() {
		tr.row.Away, tr.struckAt = max(tr.row.Away, Span(at.Sub(tr.struckAt))), time.Time{}
	}
	var first Mark
	tr.Eventually("a job begins", func() (ok bool) {
		first, ok = tr.firstAfter(at, func(Mark) bool { return true })
		return ok
	})
	tr.note(first.At.Sub(at))
}

func (tr *Trial) note(resumed time.Duration) { tr.row.Resumed = max(tr.row.Resumed, Span(resumed)) }

// Finish waits until everything is settled, checks that nothing was lost, that as many consumers
// are registered as there are, and that what ran twice was delivered twice. It stops the consumers,
// and returns the row.
func (tr *Trial) Finish(registered int) Row {
	tr.Helper()
	tr.Published()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(tr.Context()), 2*tr.Limit)
	defer cancel()
	tr.Eventually("all has run", func() bool { return tr.open() == 0 })
	tr.Eventually("the queue is empty", func() bool { return tr.empty(ctx) })
	tr.Eventually(fmt.Sprintf("%d consumers are registered", registered), func() bool { // A node that was killed is missed after a while.
		at, err := tr.direct.state(ctx)
		return err == nil && (at.consumers < 0 || at.consumers == registered)
	})
	tr.stop()
	require.True(tr, tr.empty(ctx), "something came back when the consumers stopped")
	dead, err := tr.direct.DeadLetters(ctx)
	require.NoError(tr, err)
	row := tr.sum(dead)
	row.Fault, row.Broker, row.Times, row.Away, row.Resumed = tr.row.Fault, tr.row.Broker, tr.row.Times, tr.row.Away, tr.row.Resumed
	require.Zero(tr, row.Lost, "lost: %+v", row)
	require.Equal(tr, row.Published, row.Acknowledged+row.DeadLettered+row.Purged, "%+v", row)
	require.Empty(tr, tr.unearned(), "acknowledged, and had not run to the end")
	require.Empty(tr, tr.phantoms(), "ran, and was not published")
	if !tr.Forgetful {
		require.Empty(tr, tr.unmarked, "ran twice, and the broker did not say so")
	}
	tr.Logf("%+v", row)
	return row
}

// empty reports whether the broker has only dead letters left, and no delivery is held.
func (tr *Trial) empty(ctx context.Context) bool {
	for _, c := range tr.consumers {
		if c.Health().Held > 0 {
			return false
		}
	}
	at, err := tr.direct.state(ctx)
	return err == nil && at.left == 0 && at.dead >= tr.poisoned()-tr.gone
}

// answers reports whether the broker returns the state of the queue.
func (tr *Trial) answers() bool {
	ctx, cancel := within(time.Second)
	defer cancel()
	_, err := tr.direct.state(ctx)
	return err == nil
}

// Bury notes the dead letters, before a fault deletes them.
func (tr *Trial) Bury() {
	tr.Helper()
	ctx, cancel := within(tr.Limit)
	defer cancel()
	dead, err := tr.direct.DeadLetters(ctx)
	require.NoError(tr, err)
	tr.bury(dead)
	tr.gone += len(dead)
}

// stop stops the consumers, once.
func (tr *Trial) stop() {
	ctx, cancel := within(tr.Limit)
	defer cancel()
	for _, c := range tr.consumers {
		if _, err := c.Stop(ctx); err != nil {
			tr.Errorf("stop: %v", err)
		}
	}
	tr.consumers = nil
}
