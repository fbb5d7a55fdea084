package main

import (
	"context"
	"maps"
	"math"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/prometheus/prometheus/tsdb/chunks"
	"github.com/prometheus/prometheus/util/annotations"
	"github.com/stretchr/testify/require"
	otelprometheus "go.opentelemetry.io/otel/exporters/prometheus"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.yaml.in/yaml/v3"

	"github.com/gentask/gentask/telemetry"
)

func contains(text, part string) bool { return strings.Contains(text, part) }

// metricName is the label that holds the name of a metric.
const metricName = "__name__"

// scrapeEvery is the interval at which the tests scrape.
const scrapeEvery = 15 * time.Second

// prom is a Prometheus in small: it scrapes the exporter's registry, keeps the samples, and answers
// queries with the engine of the real one.
type prom struct {
	registry *prometheus.Registry
	provider *metric.MeterProvider
	series   map[string]*series
	now      time.Time // of the last scrape
}

type series struct {
	labels  labels.Labels
	samples []chunks.Sample
}

func newProm(t *testing.T) *prom {
	t.Helper()
	p := &prom{registry: prometheus.NewRegistry(), series: map[string]*series{}}
	exporter, err := otelprometheus.New(otelprometheus.WithRegisterer(p.registry))
	require.NoError(t, err)
	p.provider = metric.NewMeterProvider(metric.WithReader(exporter))
	return p
}

func (p *prom) config() telemetry.Config { return telemetry.Config{MeterProvider: p.provider} }

// watch scrapes for a while.
func (p *prom) watch(t *testing.T, d time.Duration) {
	t.Helper()
	for range d / scrapeEvery {
		time.Sleep(scrapeEvery)
		p.scrape(t)
	}
}

func (p *prom) scrape(t *testing.T) {
	t.Helper()
	families, err := p.registry.Gather()
	require.NoError(t, err)
	p.now = time.Now()
	for _, f := range families {
		for _, m := range f.GetMetric() {
			p.metric(f.GetName(), m)
		}
	}
}

func (p *prom) metric(name string, m *dto.Metric) {
	all := map[string]string{"instance": "test"}
	for _, l := range m.GetLabel() {
		all[l.GetName()] = l.GetValue()
	}
	switch {
	case m.GetCounter() != nil:
		p.add(name, all, m.GetCounter().GetValue())
	case m.GetGauge() != nil:
		p.add(name, all, m.GetGauge().GetValue())
	case m.GetHistogram() != nil:
		h := m.GetHistogram()
		p.add(name+"_count", all, float64(h.GetSampleCount()))
		p.add(name+"_sum", all, h.GetSampleSum())
		for _, b := range h.GetBucket() {
			p.bucket(name, all, b.GetUpperBound(), float64(b.GetCumulativeCount()))
		}
		p.bucket(name, all, math.Inf(1), float64(h.GetSampleCount()))
	}
}

func (p *prom) bucket(name string, all map[string]string, bound, count float64) {
	all = maps.Clone(all)
	all["le"] = labelOf(bound)
	p.add(name+"_bucket", all, count)
}

func (p *prom) add(name string, all map[string]string, value float64) {
	l := labels.NewBuilder(labels.FromMap(all)).Set(metricName, name).Labels()
	s := p.series[l.String()]
	if s == nil {
		s = &series{labels: l}
		p.series[l.String()] = s
	}
	s.samples = append(s.samples, sample{p.now.UnixMilli(), value})
}

// sample implements chunks.Sample.
type sample struct {
	t int64
	v float64
}

func (s sample) T() int64                    { return s.t }
func (s sample) ST() int64                   { return 0 }
func (s sample) F() float64                  { return s.v }
func (sample) H() *histogram.Histogram       { return nil }
func (sample) FH() *histogram.FloatHistogram { return nil }
func (sample) Type() chunkenc.ValueType      { return chunkenc.ValFloat }
func (s sample) Copy() chunks.Sample         { return s }

// Querier implements storage.Queryable.
func (p *prom) Querier(int64, int64) (storage.Querier, error) { return p, nil }

// Select implements storage.Querier.
func (p *prom) Select(_ context.Context, _ bool, _ *storage.SelectHints, matchers ...*labels.Matcher) storage.SeriesSet {
	var found []storage.Series
	for _, s := range p.series {
		fits := true
		for _, m := range matchers {
			fits = fits && m.Matches(s.labels.Get(m.Name))
		}
		if fits {
			found = append(found, storage.NewListSeries(s.labels, s.samples))
		}
	}
	return &seriesSet{found: found, at: -1}
}

func (*prom) LabelValues(
	context.Context, string, *storage.LabelHints, ...*labels.Matcher,
) ([]string, annotations.Annotations, error) {
	return nil, nil, nil
}

func (*prom) LabelNames(context.Context, *storage.LabelHints, ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	return nil, nil, nil
}

func (*prom) Close() error { return nil }

type seriesSet struct {
	found []storage.Series
	at    int
}

func (s *seriesSet) Next() bool                      { s.at++; return s.at < len(s.found) }
func (s *seriesSet) At() storage.Series              { return s.found[s.at] }
func (*seriesSet) Err() error                        { return nil }
func (*seriesSet) Warnings() annotations.Annotations { return nil }

// query returns the result of an expression at the time of the last scrape.
func (p *prom) query(t *testing.T, expr string) promql.Vector {
	t.Helper()
	engine := promql.NewEngine(promql.EngineOpts{MaxSamples: 1e6, Timeout: time.Minute, Parser: parser.NewParser(parser.Options{})})
	defer engine.Close()
	q, err := engine.NewInstantQuery(context.Background(), p, nil, expr, p.now)
	require.NoError(t, err, expr)
	defer q.Close()
	result := q.Exec(context.Background())
	require.NoError(t, result.Err, expr)
	vector, err := result.Vector()
	require.NoError(t, err, expr)
	return vector
}

// rule is an alert.
type rule struct {
	Alert       string
	Expr        string
	Annotations map[string]string
}

// rules returns the alerts of docs/alerts.yml, by name.
func rules(t *testing.T) map[string]rule {
	t.Helper()
	text, err := os.ReadFile("../../docs/alerts.yml")
	require.NoError(t, err)
	var file struct{ Groups []struct{ Rules []rule } }
	require.NoError(t, yaml.Unmarshal(text, &file))
	all := map[string]rule{}
	for _, g := range file.Groups {
		for _, r := range g.Rules {
			all[r.Alert] = r
		}
	}
	return all
}

// namesIn returns the names of the metrics in an expression.
func namesIn(t *testing.T, expr string) (all []string) {
	t.Helper()
	parsed, err := parser.NewParser(parser.Options{}).ParseExpr(expr)
	require.NoError(t, err, expr)
	parser.Inspect(parsed, func(node parser.Node, _ []parser.Node) error {
		if selector, ok := node.(*parser.VectorSelector); ok {
			all = append(all, selector.Name)
		}
		return nil
	})
	return all
}

func labelOf(bound float64) string {
	if math.IsInf(bound, 1) {
		return "+Inf"
	}
	return strconv.FormatFloat(bound, 'g', -1, 64)
}
