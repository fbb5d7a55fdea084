package isolate_test

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/isolate"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/memory"
)

// The functions of children are made before main calls isolate.Main, for example in a variable.
var resize = isolate.Handle("resize", func(_ context.Context, image string) error {
	if image == "malicious" {
		os.Exit(3) // as a crash in C code would
	}
	return nil
}, isolate.Config{Children: 2, Memory: 512 << 20})

func Example() {
	// In main: isolate.Main()
	images := memory.New(memory.Config{})
	ctx, stop := context.WithCancel(context.Background())
	for _, image := range []string{"malicious", "fine", "fine"} {
		_ = images.Publish(ctx, queue.Message{Body: []byte(image)})
	}
	ended := map[string]int{}
	err := gentask.Run(ctx, images, resize, gentask.Config{
		Concurrency: 2,
		Retry:       gentask.Retry{Rules: []gentask.Rule{{When: isolate.WhenCrash(), MaxAttempts: 1}}},
		Logger:      quiet,
		OnEvent: func(e gentask.Event) {
			if e.Kind != gentask.EventDone {
				return
			}
			reason := "done"
			if crash := (*isolate.CrashError)(nil); errors.As(e.Reason, &crash) {
				reason = fmt.Sprintf("%v, exit code %d", e.Disposition, crash.ExitCode)
			}
			if ended[reason]++; len(ended) == 2 && ended["done"] == 2 {
				stop()
			}
		},
	})
	fmt.Println(err, ended)
	// Output: <nil> map[dead letter, exit code 3:1 done:2]
}
