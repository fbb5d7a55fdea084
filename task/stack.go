package task

import (
	"fmt"
	"runtime"
	"strings"
)

// Stack returns the stacks of the task's goroutine, and of those that [Go] started for it, as text.
// It returns "" when all have returned. It stops the world for some ten microseconds per goroutine
// of the process: use it to look at a task that hangs.
func (t *Task[R]) Stack() string { return takeStacks().of(t.run) }

// stacks are the stacks of the goroutines of tasks, by the address of the run. A traceback prints
// the receiver of the method at the root of a goroutine. So a stack costs nothing until it is asked
// for.
type stacks map[string][]string

// Goroutines of tasks run in one of these two methods.
const (
	bodyFrame   = "/task.(*run).Run("
	memberFrame = "/task.(*run).member("
)

func takeStacks() stacks {
	s := stacks{}
	for g := range strings.SplitSeq(traceback(), "\n\n") {
		if address, ok := runOf(g); ok {
			s[address] = append(s[address], strings.TrimSpace(g)+"\n")
		}
	}
	return s
}

func (s stacks) of(r *run) string {
	return strings.Join(s[fmt.Sprintf("%p", r)], "\n")
}

// runOf returns the run that a goroutine belongs to. The root is the last frame that matches: a
// task's own code may have deeper ones.
func runOf(goroutine string) (address string, ok bool) {
	args := ""
	for _, frame := range []string{bodyFrame, memberFrame} {
		if i := strings.LastIndex(goroutine, frame); i >= 0 {
			args = goroutine[i+len(frame):]
		}
	}
	end := strings.IndexAny(args, ",)?")
	if end < 0 {
		return "", false
	}
	return args[:end], true
}

// traceback returns the stacks of all goroutines, or as much as maxTraceback holds.
func traceback() string {
	const minTraceback, maxTraceback = 1 << 16, 1 << 28
	for size := minTraceback; ; size *= 4 {
		buf := make([]byte, size)
		if n := runtime.Stack(buf, true); n < size || size >= maxTraceback {
			return string(buf[:n])
		}
	}
}
