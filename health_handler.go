package gentask

import (
	"encoding/json"
	"net/http"
	"time"
)

// HealthHandler returns a handler for a readiness probe. Its status is 200 while every consumer is
// [Health.Healthy], and 503 otherwise, also without any consumer. It answers every method and path,
// and does not block. The body is JSON:
//
//	{"ok": true, "consumers": [{"name": "emails", "state": "consuming", "healthy": true,
//	  "alive": true, "since": "2026-03-01T12:00:00Z", "running": 3, "held": 3,
//	  "concurrency": 10, "abandoned": 0}]}
//
// The fields "error" (of [Health.Error]), "standby", "starved", "put_off", "breakers" (how many are
// not closed) and "overridden" (the kinds of the overrides that are on) are left out when they are
// empty. An error may name hosts and queues, so show the body to operators only.
//
// While the broker is away the status is 503. If a server works without the consumer, don't take it
// out of its load balancer for that. See [LivenessHandler] for a probe that restarts the process.
func HealthHandler(consumers ...*Consumer) http.Handler {
	return &healthHandler{consumers: consumers, well: Health.Healthy}
}

// LivenessHandler returns a handler for a liveness probe. Its status is 200 while every consumer is
// [Health.Alive], and without consumers. Otherwise it is 503: a restart of the process helps then.
// The body is that of [HealthHandler].
func LivenessHandler(consumers ...*Consumer) http.Handler {
	return &healthHandler{consumers: consumers, well: Health.Alive, orNone: true}
}

type healthHandler struct {
	consumers []*Consumer
	well      func(Health) bool
	orNone    bool // well without consumers, too
}

// healthBody is the JSON of a healthHandler.
type healthBody struct {
	OK        bool             `json:"ok"`
	Consumers []consumerHealth `json:"consumers"`
}

type consumerHealth struct {
	Name        string    `json:"name"`
	State       string    `json:"state"`
	Healthy     bool      `json:"healthy"`
	Alive       bool      `json:"alive"`
	Since       time.Time `json:"since,omitzero"`
	Error       string    `json:"error,omitempty"`
	Running     int       `json:"running"`
	Held        int       `json:"held"`
	Concurrency int       `json:"concurrency"`
	Abandoned   int       `json:"abandoned"`
	Standby     string    `json:"standby,omitempty"`
	Starved     bool      `json:"starved,omitempty"`
	PutOff      int       `json:"put_off,omitempty"`
	Breakers    int       `json:"breakers,omitempty"`
	Overridden  []string  `json:"overridden,omitempty"`
}

// ServeHTTP implements http.Handler.
func (h *healthHandler) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	body := healthBody{OK: h.orNone || len(h.consumers) > 0, Consumers: make([]consumerHealth, 0, len(h.consumers))}
	for _, c := range h.consumers {
		now := c.Health()
		body.OK = body.OK && h.well(now)
		body.Consumers = append(body.Consumers, now.summary(c.Name()))
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	if !body.OK {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	_ = json.NewEncoder(w).Encode(body) // a client that is gone needs no answer
}

func (h Health) summary(name string) consumerHealth {
	s := consumerHealth{
		Name: name, State: h.State.String(), Healthy: h.Healthy(), Alive: h.Alive(), Since: h.Since.UTC(),
		Running: h.Running, Held: h.Held, Concurrency: h.Concurrency, Abandoned: h.Abandoned, PutOff: h.PutOff,
		Breakers: len(h.Breakers), Standby: h.Standby, Starved: h.Starved,
	}
	for _, k := range h.Overrides.Kinds() {
		s.Overridden = append(s.Overridden, k.String())
	}
	if h.Error != nil {
		s.Error = h.Error.Error()
	}
	return s
}
