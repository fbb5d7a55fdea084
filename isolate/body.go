package isolate

import (
	"slices"
	"sync"

	"github.com/gentask/gentask/isolate/internal/wire"
)

// bodies are the bodies of tasks, to be used again.
var bodies bodyPool

type bodyPool struct{ pool sync.Pool }

// maxKept is the size up to which a body is kept.
const maxKept = 64 << 10

// of returns the body of a task. It must be given back when it is written.
func (b *bodyPool) of(t *wire.Task) *[]byte {
	body, ok := b.pool.Get().(*[]byte)
	if !ok {
		body = new([]byte)
	}
	*body = t.Append(slices.Grow((*body)[:0], t.Size()))
	return body
}

func (b *bodyPool) giveBack(body *[]byte) {
	if cap(*body) <= maxKept {
		b.pool.Put(body)
	}
}
