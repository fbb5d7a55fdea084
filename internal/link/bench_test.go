package link_test

import (
	"context"
	"testing"
	"time"

	"github.com/gentask/gentask/actor"
	"github.com/gentask/gentask/internal/guard"
	"github.com/gentask/gentask/internal/link"
	"github.com/gentask/gentask/queue"
)

// benchSession is a broker that costs nothing: the cost of a settlement is the link's own.
type benchSession struct{}

func (s benchSession) Open(context.Context, queue.Options) (queue.Session, error) { return s, nil }

func (benchSession) Receive(ctx context.Context) (*queue.Delivery, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}
func (benchSession) Settle(context.Context, []queue.Settlement) error { return nil }
func (benchSession) Cancel(context.Context) error                     { return nil }
func (benchSession) Resume(context.Context) error                     { return nil }
func (benchSession) Close(context.Context) error                      { return nil }

// open returns a link that recycles each batch and calls answered for each settlement.
func (s benchSession) open(answered func()) *testLink {
	h := guard.NewHost(actor.Recovered)
	return link.Open(link.Config[*queue.Delivery]{
		Source: s, OpenTimeout: time.Minute,
		Send: func(msg any) {
			if m, ok := msg.(*settled); ok {
				n := len(m.Entries)
				m.Recycle()
				for range n {
					answered()
				}
			}
		},
		Deliver: func(*testLink, *queue.Delivery) {}, LeftBehind: func() {},
		Closing: h.Hook("Close", 0), Waiting: h.Hook("Waiting", 0), Standing: h.Hook("Standing", 0), Driving: h.Hook("Session", 0),
	})
}

// BenchmarkSettle is a settlement from Settle to Recycle, one at a time and a hundred.
func BenchmarkSettle(b *testing.B) {
	d := &queue.Delivery{Tag: 1}
	for name, held := range map[string]int{"one": 1, "hundred": 100} {
		b.Run(name, func(b *testing.B) {
			slots := make(chan struct{}, held)
			l := benchSession{}.open(func() { <-slots })
			b.ReportAllocs()
			for b.Loop() {
				slots <- struct{}{}
				l.Settle(d, queue.Settlement{Delivery: d, Disposition: queue.Ack})
				l.Flush()
			}
			for range held {
				slots <- struct{}{} // until all are answered
			}
			l.Abort()
		})
	}
}
