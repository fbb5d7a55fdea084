package gentasktest_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/task"
)

// Every test here proves that the calls leave nothing behind.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// mail is the payload of these tests: it has the orders for its worker.
type mail struct{ To string }

var errBounced = errors.New("bounced")

// postman is a worker of a user's.
type postman struct{}

func (postman) Run(ctx context.Context, m mail) (string, error) {
	switch m.To {
	case "nobody":
		return "", errBounced
	case "panic":
		panic("no stamps")
	case "hang":
		<-ctx.Done()
		return "", ctx.Err()
	}
	return "to " + m.To, nil
}

func (postman) HandleResult(job gentask.Job[mail], o task.Outcome[string]) gentask.Decision {
	switch {
	case o.Value == "to later":
		return gentask.Release()
	case o.Status == task.Timeout:
		return gentask.Requeue(time.Hour)
	case errors.Is(o.Reason, errBounced):
		return gentask.DeadLetter(o.Reason)
	}
	return gentask.DefaultDecision(job, o)
}
