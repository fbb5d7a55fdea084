package fleet_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/fleet"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/memory"
	"github.com/gentask/gentask/queue/nats"
)

// nodeEnv makes this program one node of TestProcesses. It holds the journal's address, the
// broker's, and the name of the node.
const nodeEnv = "GENTASK_FLEET_NODE"

// unitsOfProcesses is the limit in TestProcesses, rateOfProcesses the rate, and jobs of a key of
// keysOfProcesses run one at a time.
const (
	unitsOfProcesses = 5
	keysOfProcesses  = 3
)

var rateOfProcesses = gentask.Rate{PerSecond: 200, Burst: 8}

// runNode is a process of TestProcesses, until its journal ends. It reports each job and each run
// of a singleton to the journal, and waits for its answer when one has ended: nothing that the
// broker does can come before that.
func runNode(arg string) error {
	at := strings.Split(arg, ";")
	conn, err := net.Dial("unix", at[0])
	if err != nil {
		return err
	}
	j := &nodeJournal{conn: conn}
	b, err := nats.New(at[1], nats.Config{})
	if err != nil {
		return err
	}
	ctx := context.Background()
	consumer, err := gentask.New(fullQueue("jobs"), gentask.Handle(func(ctx context.Context, _ []byte) error {
		job, _ := gentask.FromContext(ctx)
		defer j.begin("job", job.ID())()
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
		}
		return nil
	}), gentask.Config{Concurrency: 4, Policy: gentask.Policy{Fleet: gentask.FleetLimits{Concurrency: unitsOfProcesses}}})
	if err != nil {
		return err
	}
	rated, err := ratedConsumer(j)
	if err != nil {
		return err
	}
	keyed, err := keyedConsumer(j)
	if err != nil {
		return err
	}
	node, err := fleet.Join(ctx, b, fleet.Config{Node: at[2]}, consumer, rated, keyed)
	if err != nil {
		return err
	}
	if err := errors.Join(consumer.Start(), rated.Start(), keyed.Start()); err != nil {
		return err
	}
	go func() {
		err := node.Only(ctx, "report", func(ctx context.Context, epoch uint64) error {
			defer j.begin("only", fmt.Sprint(epoch))()
			<-ctx.Done()
			return ctx.Err()
		})
		j.send(nil, "fault", "Only has returned", err)
	}()
	return j.read()
}

// fullQueue returns a queue of the process with more messages than it can do.
func fullQueue(name string) *memory.Queue {
	q := memory.New(memory.Config{Name: name})
	if err := q.Publish(context.Background(), make([]queue.Message, 50_000)...); err != nil {
		panic(err) // the queue is open
	}
	return q
}

// ratedConsumer returns a consumer that reports when its runs were let through.
func ratedConsumer(j *nodeJournal) (*gentask.Consumer, error) {
	return gentask.New(fullQueue("rated"), gentask.Handle(func(context.Context, []byte) error { return nil }),
		gentask.Config{
			Concurrency: 4, Policy: gentask.Policy{Fleet: gentask.FleetLimits{Rate: rateOfProcesses}},
			OnEvent: func(ev gentask.Event) {
				if ev.Kind == gentask.EventStarted {
					j.send(nil, "s", "rated", ev.ID, ev.Time.UnixNano())
				}
			},
		})
}

// keyedConsumer returns a consumer that reports the key of each job.
func keyedConsumer(j *nodeJournal) (*gentask.Consumer, error) {
	keyOf := func(m *queue.Message) string { return fmt.Sprint(len(m.ID) * int(m.ID[len(m.ID)-1]) % keysOfProcesses) }
	return gentask.New(fullQueue("keyed"), gentask.Handle(func(ctx context.Context, _ []byte) error {
		job, _ := gentask.FromContext(ctx)
		defer j.begin("key"+keyOf(&queue.Message{ID: job.ID()}), job.ID())()
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
		}
		return nil
	}), gentask.Config{Concurrency: 4, Prefetch: 20, Policy: gentask.Policy{
		Fleet: gentask.FleetLimits{PerKey: gentask.FleetPerKey{Key: keyOf, Concurrency: 1}},
	}})
}

// nodeJournal is a node's line to the journal.
type nodeJournal struct {
	conn net.Conn
	mu   sync.Mutex
	open []chan struct{} // those who wait for an answer
}

// begin reports that something begins. The returned function reports its end, and waits for the
// answer.
func (j *nodeJournal) begin(kind, id string) (end func()) {
	j.send(nil, "+", kind, id, time.Now().UnixNano())
	return func() {
		done := make(chan struct{})
		j.send(done, "-", kind, id, 0)
		<-done
	}
}

func (j *nodeJournal) send(done chan struct{}, words ...any) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if done != nil {
		j.open = append(j.open, done)
	}
	_, _ = fmt.Fprintln(j.conn, words...)
}

// read gives the answers to those who wait, until the journal ends.
func (j *nodeJournal) read() error {
	lines := bufio.NewScanner(j.conn)
	for lines.Scan() {
		j.mu.Lock()
		close(j.open[0])
		j.open = j.open[1:]
		j.mu.Unlock()
	}
	return lines.Err()
}
