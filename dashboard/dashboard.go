package dashboard

import (
	"context"
	"html/template"
	"net/http"
	"sync"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/fleet"
)

// Dashboard is an [http.Handler] that serves the pages. Use [New] to make one. Its methods are safe
// for concurrent use.
type Dashboard struct {
	cfg      Config
	node     *fleet.Node // may be nil, as from
	from     members
	hooks    *hooks
	assets   *assets
	pages    map[string]*template.Template
	sampler  *sampler
	letters  *letterBooks
	bulk     *bulks
	outcomes *outcomes
	streams  chan struct{} // a place for each stream that is open

	life   context.Context //nolint:containedctx // that of the goroutines, which Close ends
	cancel context.CancelFunc
	wg     sync.WaitGroup
	once   sync.Once
}

// New returns a dashboard for the fleet of node, which may be an observer: see [fleet.Join].
// Without a node there are queues, dead letters and plans only. The node and the queues stay the
// caller's to close, after [Dashboard.Close].
//
// New returns an error that wraps [queue.ErrConfig] for a bad cfg. It asks neither the node nor a
// broker.
func New(node *fleet.Node, cfg Config) (*Dashboard, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	var from members
	if node != nil {
		from = node
	}
	return newDashboard(node, from, cfg.orDefaults()), nil
}

// newDashboard returns a dashboard that looks at the fleet through from, and acts through node.
func newDashboard(node *fleet.Node, from members, cfg Config) *Dashboard {
	d := &Dashboard{
		cfg: cfg, node: node, from: from, hooks: newHooks(&cfg), assets: loadAssets(), outcomes: &outcomes{},
		letters: &letterBooks{}, streams: make(chan struct{}, mostStreams),
	}
	d.life, d.cancel = context.WithCancel(context.Background())
	d.pages = loadPages(d.assets)
	d.sampler = newSampler(d.life, &d.cfg, from, d.hooks)
	d.bulk = newBulks(d)
	return d
}

// Close ends the sampler, the streams of those who look, and the re-drives and purges that run. It
// waits for all of them but the streams, whose requests end soon after. Later requests get status
// 503. Close is idempotent, and returns nil.
func (d *Dashboard) Close() error {
	d.once.Do(func() {
		d.cancel()
		d.sampler.stop()
		d.bulk.close()
		d.wg.Wait()
		d.hooks.close()
	})
	return nil
}

// Hooks returns the failures of the functions of [Config], by name, such as "Config.Access". A
// function whose calls all returned in time is left out. So are those of [Queue] and of the node.
func (d *Dashboard) Hooks() map[string]gentask.HookHealth { return d.hooks.health() }

// ServeHTTP implements [http.Handler].
func (d *Dashboard) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	setHeaders(w.Header())
	if d.life.Err() != nil {
		d.fail(w, r, http.StatusServiceUnavailable, "This dashboard is closed", "Its program is ending.")
		return
	}
	d.serve(w, r)
}
