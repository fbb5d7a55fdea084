// Command cgo runs a job that crashes in C code, among others, and writes how they have ended.
package main

/*
#include <stddef.h>

static int dereference(int *p) { return *p; }
*/
import "C"

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/isolate"
	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/memory"
)

var mixed = isolate.Handle("mixed", func(_ context.Context, way string) error {
	if way == "dies" {
		return fmt.Errorf("read %d", C.dereference(nil))
	}
	return nil
}, isolate.Config{Children: 2})

// report is how the jobs have ended.
type report struct {
	Settled int
	Failed  []string
	Crash   *isolate.CrashError
	Letters []string
}

const neighbours = 100

func main() {
	isolate.Main()
	q := memory.New(memory.Config{})
	c, err := gentask.New(q, mixed, gentask.Config{
		Concurrency: 2, Retry: gentask.Retry{MaxAttempts: 1}, Logger: slog.New(slog.DiscardHandler),
	})
	must(err)
	ends := make(chan gentask.Event, 2*neighbours)
	c.Subscribe(func(e gentask.Event) { ends <- e }, gentask.EventDone)
	must(q.Publish(context.Background(), queue.Message{ID: "victim", Body: []byte("dies")}))
	for range neighbours {
		must(q.Publish(context.Background(), queue.Message{Body: []byte("lives")}))
	}
	must(c.Start())
	var r report
	for range neighbours + 1 {
		r.add(<-ends)
	}
	_, err = c.Stop(context.Background())
	must(err)
	for _, l := range q.DeadLetters() {
		r.Letters = append(r.Letters, l.Headers[queue.HeaderReason])
	}
	must(json.NewEncoder(os.Stdout).Encode(r))
}

func (r *report) add(e gentask.Event) {
	r.Settled++
	if e.Reason != nil {
		r.Failed = append(r.Failed, e.ID)
		errors.As(e.Reason, &r.Crash)
	}
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}
