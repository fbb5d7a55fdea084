package fleet

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/internal/feed"
	"github.com/gentask/gentask/internal/guard"
	"github.com/gentask/gentask/internal/lease"
	"github.com/gentask/gentask/queue"
)

// Node is a member of a fleet, or an observer. Use [Join] to make one. Its methods are safe for
// concurrent use.
type Node struct {
	cfg      Config
	named    bool // by the program: another process may have the same name
	instance string
	started  time.Time
	bus      queue.Bus
	store    queue.Store
	follower *follower // nil for an observer
	presence *presence // likewise
	leases   *lease.Keeper
	limits   []limit
	log      *slog.Logger
	logs     *feed.Handler // nil if all logs are discarded

	cancel context.CancelFunc
	wg     sync.WaitGroup
	once   sync.Once
	err    error // of Close
}

// logTime is how long Close waits for one call of the logger.
const logTime = 5 * time.Second

// Join makes this process a node of the fleet, with the given consumers. They may be running, and
// any may be started later. Without consumers, the process is an observer: it can ask and command,
// and no one sees it.
//
// Join returns when the consumers follow the present commands. So no job starts against them if the
// consumers are started after it. It needs the broker for that: bound ctx to how long you are
// willing to wait. The node then lives until [Node.Close], also when ctx has ended.
//
// Join returns an error that wraps [queue.ErrConfig] for a bad cfg, and [queue.ErrUnsupported] if
// the broker can't do what a fleet needs; [Mix] is the way out then. It returns [ErrNodeTaken] if
// another process answers with the same [Config.Node], the broker's error if that is away, and
// ctx.Err().
//
// A consumer must be in one fleet only, and nothing else may call its [gentask.Consumer.Override].
func Join(ctx context.Context, b Broker, cfg Config, consumers ...*gentask.Consumer) (*Node, error) {
	if err := checkJoin(b, cfg, consumers); err != nil {
		return nil, err
	}
	named := cfg.Node != ""
	cfg = cfg.orDefaults()
	m, err := open(ctx, b, cfg.Name)
	if err != nil {
		return nil, err
	}
	n := &Node{cfg: cfg, named: named, instance: randomName(8), started: time.Now(), bus: m.bus, store: m.store}
	n.openLog()
	life, cancel := context.WithCancel(context.Background())
	n.cancel = cancel
	n.leases = lease.NewKeeper(m.store, m.facts, lease.Config{Node: cfg.Node, Log: n.log})
	if len(consumers) == 0 {
		return n, nil
	}
	if err := n.join(ctx, life, consumers); err != nil {
		_ = n.Close() // the first error is the one to report
		return nil, err
	}
	return n, nil
}

func checkJoin(b Broker, cfg Config, consumers []*gentask.Consumer) error {
	errs := []error{cfg.check()}
	if b == nil {
		errs = append(errs, fmt.Errorf("%w: fleet: the broker is nil; want one that opens a bus and a store",
			queue.ErrConfig))
	}
	known := map[*gentask.Consumer]bool{}
	for i, c := range consumers {
		if c == nil || known[c] {
			errs = append(errs, fmt.Errorf("%w: fleet: consumer %d of %d is nil, or comes twice; want each one once",
				queue.ErrConfig, i+1, len(consumers)))
		}
		known[c] = true
	}
	return errors.Join(errs...)
}

func (n *Node) openLog() {
	n.log = n.cfg.Logger
	if handler := n.log.Handler(); handler != slog.DiscardHandler {
		hook := guard.NewHost(actor.Recovered).Hook("Config.Logger", 0)
		n.logs = feed.NewHandler(hook, handler)
		n.log = slog.New(n.logs)
	}
	n.log = n.log.With("fleet", n.cfg.Name, "node", n.cfg.Node)
}

// join makes the node visible, and its consumers follow.
func (n *Node) join(ctx, life context.Context, consumers []*gentask.Consumer) error {
	own := make([]*consumer, len(consumers))
	for i, c := range consumers {
		own[i] = newConsumer(c, n.cfg.Node, n.instance)
	}
	n.follower = newFollower(n.store, own, n.log)
	n.presence = newPresence(n)
	recorder := newRecorder(n, life.Done())
	for topic, answer := range map[string]func([]byte) []byte{
		topicNodes: n.presence.answer, topicAcks: n.answerAcks, topicTasks: newCensus(n).answer,
		topicEvents: recorder.answer, topicTrees: (&forest{node: n}).answer,
	} {
		if _, err := n.bus.Answer(topic, answer); err != nil {
			return fmt.Errorf("fleet: bus: %w", err)
		}
	}
	n.wg.Go(func() { n.follower.watch(life) })
	n.wg.Go(func() { n.follower.run(life) })
	if n.named {
		if err := n.findTwin(ctx); err != nil {
			return err
		}
	}
	select {
	case <-n.follower.ready:
		n.presence.join()
		n.limits = n.limitsOf(consumers)
		return nil
	case <-ctx.Done():
		return fmt.Errorf("fleet: the present commands could not be read: %w", ctx.Err())
	}
}

// findTwin returns ErrNodeTaken if another process has joined with this node's id, or joins now and
// began before.
func (n *Node) findTwin(ctx context.Context) error {
	others, err := n.ask(ctx, n.cfg.Node)
	if err != nil {
		return err
	}
	for _, o := range others {
		first := o.Joined || o.Started.Before(n.started) || o.Started.Equal(n.started) && o.Instance < n.instance
		if o.Node == n.cfg.Node && o.Instance != n.instance && first {
			return fmt.Errorf("%w: %q is process %d on host %q, since %s; want another Config.Node",
				ErrNodeTaken, o.Node, o.PID, o.Host, o.Started.Format(time.RFC3339))
		}
	}
	return nil
}

// ID returns [Config.Node], or its default if that is empty.
func (n *Node) ID() string { return n.cfg.Node }

// Close takes the node out of the fleet. Its consumers go on, and keep the overrides that they
// have. The contexts of the functions of [Node.Only] end, and those of jobs under
// [gentask.FleetLimits]; Close waits for them for at most 10 seconds. Stop such consumers before.
// Close is idempotent.
func (n *Node) Close() error {
	n.once.Do(func() {
		n.leave()
		n.cancel()
		n.err = errors.Join(n.bus.Close(), n.store.Close())
		n.wg.Wait()
		if n.logs != nil {
			_ = n.logs.Wait(context.Background(), logTime) // a logger that hangs is left behind
		}
	})
	return n.err
}
