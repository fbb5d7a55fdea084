package scenario_test

import (
	"context"

	"github.com/gentask/gentask"
)

func noop() gentask.Behavior {
	return gentask.Handle(func(context.Context, []byte) error { return nil })
}
