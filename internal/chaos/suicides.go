package chaos

import (
	"context"
	"encoding/json"
	"os"
	"strconv"
	"time"

	"github.com/gentask/gentask"
)

// nodeLease is so long that a busy machine does not let a lease end whose holder lives.
const nodeLease = 3 * time.Second

// nodeConfig is what a node is told whose process some of its jobs kill.
type nodeConfig struct {
	Kind       Kind
	URL, Queue string
	Node       string
	Every      int // each message whose number is divisible by it is a killer
	Most       int // attempts
	Isolate    bool
}

// Sight is a delivery as a node sees it. It is written as a line of JSON.
type Sight struct {
	ID      string
	Attempt int
	Ran     bool // it began to run; otherwise it came
}

// killer reports whether a message kills its process.
func (c *nodeConfig) killer(id string) bool {
	n, err := strconv.Atoi(id)
	return err == nil && n%c.Every == 0
}

// runNode is the role of a process that runs jobs until it is killed, by one of them as a rule.
// Each sight is one write, and so arrives whole or not at all.
func runNode(config string) error {
	var c nodeConfig
	if err := json.Unmarshal([]byte(config), &c); err != nil {
		return err
	}
	e, err := openWithLease(c.Kind, c.URL, c.Queue, nil, nodeLease)
	if err != nil {
		return err
	}
	see := func(s Sight) {
		if line, err := json.Marshal(s); err == nil {
			_, _ = os.Stdout.Write(append(line, '\n')) // the reader may be gone
		}
	}
	run := func(ctx context.Context, _ int) error {
		job, _ := gentask.FromContext(ctx)
		see(Sight{ID: job.ID(), Attempt: job.Attempt(), Ran: true})
		if c.killer(job.ID()) {
			killSelf()
		}
		time.Sleep(3 * time.Millisecond)
		return nil
	}
	return gentask.Run(context.Background(), e, gentask.Handle(run), gentask.Config{
		Name: c.Node, Concurrency: 4, Prefetch: 10, Retry: gentask.Retry{MaxAttempts: c.Most},
		Policy: gentask.Policy{IsolateSuspects: c.Isolate},
		OnEvent: func(ev gentask.Event) {
			if ev.Kind == gentask.EventReceived {
				see(Sight{ID: ev.ID, Attempt: ev.Attempt})
			}
		},
	})
}
