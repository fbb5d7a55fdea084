package main

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/memory"
	"github.com/gentask/gentask/telemetry"
)

// exported returns the names of everything that telemetry exports, as Prometheus spells them, with
// the labels that they have.
func exported(t *testing.T) map[string]map[string]bool {
	t.Helper()
	names := map[string]map[string]bool{}
	synctest.Test(t, func(t *testing.T) {
		p := newProm(t)
		s := newSite(t, p, func(q *memory.Queue) queue.Source { return aged{q} }, fail, gentask.Config{})
		publisher, err := telemetry.NewPublisher(s.q, p.config())
		require.NoError(t, err)
		require.NoError(t, publisher.Publish(t.Context(), queue.Message{Body: []byte("1")}))
		require.Error(t, publisher.Publish(t.Context(), queue.Message{Priority: -1}))
		causes["GentaskOutboxBacklog"](t, p)
		for _, series := range p.series {
			name := series.labels.Get(metricName)
			if names[name] == nil {
				names[name] = map[string]bool{}
			}
			series.labels.Range(func(l labels.Label) { names[name][l.Name] = true })
		}
	})
	require.NotEmpty(t, names)
	return names
}

// dashboard is docs/grafana.json, as far as it matters.
type dashboard struct {
	Panels []struct {
		Title   string
		Targets []struct{ Expr string }
	}
}

// TestDashboard: every metric that the dashboard or an alert names is exported under that name, and
// every metric has a panel.
func TestDashboard(t *testing.T) {
	text, err := os.ReadFile("../../docs/grafana.json")
	require.NoError(t, err)
	var d dashboard
	require.NoError(t, json.Unmarshal(text, &d))
	names, shown := exported(t), map[string]bool{}
	p := &prom{now: time.Now()}
	check := func(where, expr string) (found []string) {
		expr = strings.NewReplacer("$__rate_interval", "5m", "$queue", ".*").Replace(expr)
		p.query(t, expr) // it is valid
		for _, name := range namesIn(t, expr) {
			require.Contains(t, names, name, "%s: %s", where, expr)
			found = append(found, name)
		}
		return found
	}
	for _, panel := range d.Panels {
		require.NotEmpty(t, panel.Targets, panel.Title)
		for _, target := range panel.Targets {
			for _, name := range check(panel.Title, target.Expr) {
				shown[name] = true
			}
		}
	}
	for _, alert := range rules(t) {
		check(alert.Alert, alert.Expr)
	}
	for name := range names {
		base := strings.TrimSuffix(strings.TrimSuffix(strings.TrimSuffix(name, "_sum"), "_count"), "_bucket")
		ours := strings.HasPrefix(name, "gentask_") || strings.HasPrefix(name, "messaging_")
		require.True(t, !ours || shown[name] || shown[base+"_bucket"] || shown[base+"_count"], "%s is not shown", name)
	}
}

// TestLabels: the labels of what telemetry exports are few, and never an ID.
func TestLabels(t *testing.T) {
	allowed := map[string]bool{
		metricName: true, "instance": true, "le": true, "queue": true, "kind": true, "outcome": true, "error_type": true,
		"messaging_system": true, "messaging_destination_name": true, "messaging_operation_name": true,
		"messaging_operation_type": true, "otel_scope_name": true, "otel_scope_version": true, "otel_scope_schema_url": true,
	}
	for name, all := range exported(t) {
		for label := range all {
			require.True(t, allowed[label] || name == "target_info", "%s of %s", label, name)
		}
	}
}
