package cell

import (
	"testing"

	"github.com/gentask/gentask/actor"
)

// BenchmarkSpawnStop is what one short life costs: BenchmarkSpawnStop of package actor has the
// same for actors.
func BenchmarkSpawnStop(b *testing.B) {
	sys := actor.NewSystem(actor.SystemConfig{})
	b.Run("cell", func(b *testing.B) {
		ended := make(chan struct{}, 1)
		b.ReportAllocs()
		for b.Loop() {
			c := &Cell{}
			c.Start(sys, "cell", benchHandler{c, ended})
			c.Post("stop")
			<-ended
		}
	})
	b.Run("routine", func(b *testing.B) {
		ended := make(chan struct{})
		b.ReportAllocs()
		for b.Loop() {
			(&Routine{}).Start(sys, "routine", benchBody(ended))
			<-ended
		}
	})
}

// benchHandler ends its cell at its first message.
type benchHandler struct {
	cell  *Cell
	ended chan struct{}
}

func (h benchHandler) Receive(any) { h.cell.Exit(nil) }

func (h benchHandler) Ended(error) { h.ended <- struct{}{} }

type benchBody chan struct{}

func (benchBody) Run() error    { return nil }
func (benchBody) Cancel()       {}
func (b benchBody) Ended(error) { b <- struct{}{} }
