package nats_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/nats"
)

// BenchmarkStore compares a put if absent with a bare publish of the same size, in turns.
func BenchmarkStore(b *testing.B) {
	p := newProcess(b)
	s := openStore(b, p.url(), nats.Config{})
	js := bare(b, p.url())
	_, err := js.CreateStream(soon(b), jetstream.StreamConfig{Name: "BARE", Subjects: []string{"bare.>"}})
	require.NoError(b, err)
	value := make([]byte, 512)
	var puts, bares time.Duration
	for i := range b.N {
		start := time.Now()
		_, err := js.Publish(b.Context(), fmt.Sprintf("bare.%d", i), value)
		require.NoError(b, err)
		middle := time.Now()
		_, err = s.Put(b.Context(), fmt.Sprintf("k.%d", i), value, queue.Absent, time.Hour)
		require.NoError(b, err)
		puts, bares = puts+time.Since(middle), bares+middle.Sub(start)
	}
	b.ReportMetric(float64(puts)/float64(bares), "x-bare")
	b.ReportMetric(float64(puts.Microseconds())/float64(b.N), "us/put")
	start := time.Now()
	n, err := s.Count(b.Context(), "")
	require.NoError(b, err)
	require.Equal(b, b.N, n)
	b.ReportMetric(float64(time.Since(start).Microseconds())/1000, "ms/count")
	start = time.Now()
	require.NoError(b, s.Clear(b.Context(), ""))
	b.ReportMetric(float64(time.Since(start).Microseconds())/1000, "ms/clear")
}

// BenchmarkWatch reports how long a change takes to the last of 20 nodes.
func BenchmarkWatch(b *testing.B) {
	const nodes = 20
	p := newProcess(b)
	s := openStore(b, p.url(), nats.Config{})
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	seen := make(chan queue.Revision, nodes)
	current := make(chan bool, nodes)
	for range nodes {
		node := openStore(b, p.url(), nats.Config{})
		go func() {
			for c, err := range node.Watch(ctx, "commands") {
				if err != nil {
					return
				}
				if c.Kind == queue.ChangeSet {
					seen <- c.Record.Revision
				}
				if c.Kind == queue.ChangeCurrent {
					current <- true
				}
			}
		}()
	}
	for range nodes {
		<-current
	}
	took := make([]time.Duration, 0, b.N)
	for i := range b.N {
		start := time.Now()
		_, err := s.Put(ctx, fmt.Sprintf("commands.%d", i%100), []byte("pause"), queue.Always, 0)
		require.NoError(b, err)
		for range nodes {
			<-seen
		}
		took = append(took, time.Since(start))
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "ms-p99")
}

// BenchmarkBus reports how long 200 nodes take to answer.
func BenchmarkBus(b *testing.B) {
	const nodes = 200
	p := newProcess(b)
	broker := newBroker(b, p.url(), nats.Config{})
	open := func() queue.Bus {
		one, err := broker.Bus(soon(b), "fleet")
		require.NoError(b, err)
		b.Cleanup(func() { require.NoError(b, one.Close()) })
		return one
	}
	for range nodes {
		_, err := open().Answer("who", func([]byte) []byte { return make([]byte, 1000) })
		require.NoError(b, err)
	}
	asker := open()
	took := make([]time.Duration, 0, b.N)
	for range b.N {
		start, n := time.Now(), 0
		for _, err := range asker.Ask(soon(b), "who", nil) {
			require.NoError(b, err)
			if n++; n == nodes {
				break
			}
		}
		took = append(took, time.Since(start))
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "ms-p99")
}
