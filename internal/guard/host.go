package guard

import (
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// MaxHung is how many calls of one [Hook] may hang before further ones are refused.
const MaxHung = 16

// Host calls the user's functions of one consumer. It counts how the calls end, and recognizes a
// goroutine that is inside one. Its methods are safe for concurrent use.
type Host struct {
	recovered func(value any, returned bool) error

	mu    sync.Mutex
	hooks []*Hook
}

// NewHost returns a host without hooks. recovered returns an error for the value of recover() and
// for whether the code returned, and nil for code that returned.
func NewHost(recovered func(value any, returned bool) error) *Host {
	return &Host{recovered: recovered}
}

// Hook stands for one user function, or for a few of a kind, and counts how its calls end.
// Its methods are safe for concurrent use.
type Hook struct {
	host  *Host
	name  string
	limit time.Duration

	hung                        atomic.Int32
	failed, late, refused, lost atomic.Int64
}

// Stats counts the calls of a [Hook] that did not end by returning in time.
type Stats struct {
	// Failed is how many calls panicked or called runtime.Goexit, and Late how many did not return
	// in time.
	Failed, Late int
	// Hung is how many of the late ones still run.
	Hung int
	// Refused is how many calls were not made because MaxHung hang. Lost is how many values were
	// dropped because a queue was full.
	Refused, Lost int
}

// Hook returns a new hook of the host's. limit is the longest time of a call; zero is no limit of
// its own.
func (h *Host) Hook(name string, limit time.Duration) *Hook {
	hook := &Hook{host: h, name: name, limit: limit}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.hooks = append(h.hooks, hook)
	return hook
}

// Stats returns the counts of the hooks, by name. Hooks whose calls all returned in time are left
// out. The counts of hooks with the same name are added up.
func (h *Host) Stats() map[string]Stats {
	h.mu.Lock()
	defer h.mu.Unlock()
	var all map[string]Stats
	for _, hook := range h.hooks {
		s := hook.Stats()
		if s == (Stats{}) {
			continue
		}
		if all == nil {
			all = map[string]Stats{}
		}
		all[hook.name] = all[hook.name].plus(s)
	}
	return all
}

func (s Stats) plus(t Stats) Stats {
	return Stats{
		Failed: s.Failed + t.Failed, Late: s.Late + t.Late, Hung: s.Hung + t.Hung,
		Refused: s.Refused + t.Refused, Lost: s.Lost + t.Lost,
	}
}

// Run calls f. A goroutine that is in f is inside of h.
func (h *Host) Run(f func()) { h.hosted(f) }

// hosted is the frame that Inside looks for.
//
//go:noinline
func (h *Host) hosted(f func()) {
	f()
	runtime.KeepAlive(h) // or else a traceback might lack the receiver
}

// Inside reports whether the calling goroutine is inside a function that was called through h. Such
// a function is called by Run, by [Call], or by any function whose name begins with hosted and that
// has h as an argument. Inside reads the traceback of the goroutine, which takes some microseconds.
// So a call costs nothing more because it can be recognized.
func (h *Host) Inside() bool {
	const frame = ".hosted"
	me := fmt.Sprintf("%p", h)
	for stack := traceback(); ; {
		i := strings.Index(stack, frame)
		if i < 0 {
			return false
		}
		stack = stack[i+len(frame):]
		line, _, _ := strings.Cut(stack, "\n")
		_, args, _ := strings.Cut(line, "(")
		for arg := range strings.SplitSeq(strings.TrimSuffix(args, ")"), ", ") {
			if strings.TrimSuffix(arg, "?") == me {
				return true
			}
		}
	}
}

// traceback returns the stack of the calling goroutine, or as much as maxTraceback holds. The
// runtime leaves out the middle of a stack of more than 100 frames.
func traceback() string {
	const minTraceback, maxTraceback = 1 << 13, 1 << 20
	for size := minTraceback; ; size *= 4 {
		buf := make([]byte, size)
		if n := runtime.Stack(buf, false); n < size || size >= maxTraceback {
			return string(buf[:n])
		}
	}
}

// Host returns the host.
func (h *Hook) Host() *Host { return h.host }

// Name returns the name.
func (h *Hook) Name() string { return h.name }

// Stats returns how the calls have ended.
func (h *Hook) Stats() Stats {
	return Stats{
		Failed: int(h.failed.Load()), Late: int(h.late.Load()), Hung: int(h.hung.Load()),
		Refused: int(h.refused.Load()), Lost: int(h.lost.Load()),
	}
}

// Hung returns how many calls have not returned although their time is over.
func (h *Hook) Hung() int { return int(h.hung.Load()) }

// CountFailed counts a call that panicked or called runtime.Goexit.
func (h *Hook) CountFailed() { h.failed.Add(1) }

// CountLost counts a value that was dropped.
func (h *Hook) CountLost() { h.lost.Add(1) }

// CountHung counts a call that hangs and was not made by [Call].
func (h *Hook) CountHung() {
	h.late.Add(1)
	h.hung.Add(1)
}

// CountReturned counts the return of a call that hung.
func (h *Hook) CountReturned() { h.hung.Add(-1) }
