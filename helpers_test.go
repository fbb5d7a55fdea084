package gentask_test

import (
	"context"
	"errors"

	"github.com/gentask/gentask"
)

var (
	errOwn  = errors.New("own error")
	errDown = errors.New("connection refused")
)

type mail struct{ To string }

func allDone(_ context.Context, jobs []gentask.Job[[]byte]) (gentask.Results, error) {
	return gentask.AllDone(jobs), nil
}
