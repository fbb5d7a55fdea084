package rig_test

import (
	"context"
	"fmt"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/gentasktest"
	"github.com/gentask/gentask/internal/rig"
	"github.com/gentask/gentask/queue"
)

// quiet is the test that an example is not.
type quiet struct{}

func (quiet) Helper() {}

func (quiet) Fatalf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }

func ExampleTrack() {
	runs := rig.NewRuns()
	run := rig.Track(runs, func(context.Context, []byte) (struct{}, error) { return struct{}{}, nil })
	handle := gentask.Handle(func(ctx context.Context, body []byte) error {
		_, err := run(ctx, body)
		return err
	})
	gentasktest.Run(quiet{}, handle, queue.Message{ID: "a"}, gentask.Config{})
	gentasktest.Run(quiet{}, handle, queue.Message{ID: "a"}, gentask.Config{})
	fmt.Println("runs:", runs.Of("a"), "at a time:", runs.Most(), "overlaps:", len(runs.Overlaps()))
	// Output: runs: 2 at a time: 1 overlaps: 0
}
