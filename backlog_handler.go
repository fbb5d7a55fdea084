package gentask

import (
	"context"
	"encoding/json"
	"net/http"
	"sync"
	"time"

	"github.com/gentask/gentask/queue"
)

// inspectTime bounds the requests to brokers that a backlog handler makes for one answer.
const inspectTime = 5 * time.Second

// BacklogHandler returns a handler for an autoscaler. It answers how many messages wait for a
// worker, and asks the brokers for each answer. Every driver's queue can be given. The body is
// JSON:
//
//	{"ok": true, "waiting": 12, "queues": [{"name": "emails", "waiting": 12, "held": 3,
//	  "delayed": 50, "dead_lettered": 1}]}
//
// The first "waiting" is the sum. It counts the messages that a free slot could get at once, as
// [queue.BacklogReporter] or the Ready of [queue.Stats] does, without delayed ones as far as the
// broker can tell them apart. The other fields are those of [queue.Stats]. A count that the driver
// can't get is left out.
//
// The status is 503 if any queue can't be inspected within 5 s, and its "error" is in the body. An
// autoscaler must keep its number of nodes then. An error may name hosts, so show the body to
// operators only. The handler answers every method and path, and needs no consumer, so it may run
// where no worker does.
func BacklogHandler(queues ...queue.Inspector) http.Handler { return backlogHandler(queues) }

type backlogHandler []queue.Inspector

// backlogBody is the JSON of a backlogHandler.
type backlogBody struct {
	OK      bool           `json:"ok"`
	Waiting int            `json:"waiting"`
	Queues  []queueBacklog `json:"queues"`
}

type queueBacklog struct {
	Name         string `json:"name,omitempty"`
	Waiting      int    `json:"waiting"`
	Held         *int   `json:"held,omitempty"`
	Delayed      *int   `json:"delayed,omitempty"`
	DeadLettered *int   `json:"dead_lettered,omitempty"`
	Error        string `json:"error,omitempty"`
}

// ServeHTTP implements http.Handler.
func (h backlogHandler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), inspectTime)
	defer cancel()
	body := backlogBody{OK: true, Queues: make([]queueBacklog, len(h))}
	var asked sync.WaitGroup
	for i, q := range h {
		asked.Go(func() { body.Queues[i] = backlogOf(ctx, q) })
	}
	asked.Wait()
	for _, q := range body.Queues {
		body.OK = body.OK && q.Error == ""
		body.Waiting += q.Waiting
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	if !body.OK {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	_ = json.NewEncoder(w).Encode(body) // a client that is gone needs no answer
}

// backlogOf asks one broker.
func backlogOf(ctx context.Context, q queue.Inspector) queueBacklog {
	var b queueBacklog
	if named, ok := q.(queue.Named); ok {
		b.Name = named.Name()
	}
	stats, err := q.Inspect(ctx)
	if err != nil {
		b.Error = err.Error()
		return b
	}
	b.Waiting = stats.Ready
	b.Held, b.Delayed, b.DeadLettered = known(stats.Held), known(stats.Delayed), known(stats.DeadLettered)
	reporter, ok := q.(queue.BacklogReporter)
	if !ok {
		return b
	}
	if b.Waiting, err = reporter.Backlog(ctx); err != nil {
		b.Error = err.Error()
	}
	return b
}

// known returns a count, or nil if the driver can't get it.
func known(count int) *int {
	if count == queue.CountUnknown {
		return nil
	}
	return &count
}
