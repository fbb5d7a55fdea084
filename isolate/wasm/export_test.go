package wasm

import (
	"github.com/gentask/gentask"
	"github.com/gentask/gentask/task"
)

// Limited returns the same module with other limits, without compiling it again.
func (g *Guest) Limited(cfg Config) *Guest {
	other := *g
	other.cfg = cfg.orDefaults()
	return &other
}

// Work returns a behaviour of what is compiled.
func (g *Guest) Work(handle func(gentask.Job[gentask.Raw], task.Outcome[[]byte]) gentask.Decision) gentask.Behavior {
	return (&worker{handle: handle, guest: func() (*Guest, error) { return g, nil }}).behavior()
}
