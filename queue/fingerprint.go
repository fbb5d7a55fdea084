package queue

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
)

// fingerprintFrames is the number of functions in a fingerprint. It is large enough to distinguish
// callers, and small enough that a new caller far up does not change the fingerprint.
const fingerprintFrames = 5

// Fingerprint returns twelve characters that identify the place of a panic by its stack, as
// [HeaderStack] holds it or debug.Stack writes it. The same place has the same fingerprint in every
// process, and after every build that doesn't change the names of its functions. It is empty for a
// stack without a function, and so for an empty stack.
//
// The fingerprint is made of the names of the last five functions called, without those of the
// runtime and of this library. Goroutines, arguments, addresses, files and lines don't count.
func Fingerprint(stack string) string {
	frames := blamed(functions(stack))
	if len(frames) == 0 {
		return ""
	}
	sum := sha256.Sum256([]byte(strings.Join(frames, "\n")))
	return hex.EncodeToString(sum[:6])
}

// functions returns the names of the functions on a stack, the last one called first.
func functions(stack string) []string {
	var names []string
	for line := range strings.Lines(stack) {
		line = strings.TrimRight(line, "\r\n")
		if line == "" || line[0] == '\t' || strings.HasPrefix(line, "goroutine ") ||
			strings.HasPrefix(line, "created by ") {
			continue
		}
		if i := strings.LastIndexByte(line, '('); i > 0 && strings.HasSuffix(line, ")") {
			line = line[:i] // the arguments
		}
		names = append(names, line)
	}
	return names
}

// blamed leaves out the functions that every stack has: those that ran after the panic, the
// runtime, and the callers of user code.
func blamed(names []string) []string {
	isPanic := func(name string) bool { return name == "panic" || name == "runtime.gopanic" }
	names = names[slices.IndexFunc(names, isPanic)+1:]
	var frames []string
	for _, name := range names {
		if ofLibrary(name) || len(frames) == fingerprintFrames {
			break
		}
		if !strings.HasPrefix(name, "runtime.") && !isPanic(name) {
			frames = append(frames, name)
		}
	}
	return frames
}

// ofLibrary reports whether this library calls the user's code by this function. The compiler may
// have inlined the function that Handle or Batch returns; its name then begins with that of the
// function that called Handle or Batch.
func ofLibrary(name string) bool {
	if strings.Contains(name, ".Handle[...].func") || strings.Contains(name, ".Batch[...].func") {
		return true
	}
	rest, found := strings.CutPrefix(name, "github.com/gentask/gentask")
	callers := []string{".", "/actor.", "/isolate.", "/supervision.", "/task."}
	return found && slices.ContainsFunc(callers, func(p string) bool { return strings.HasPrefix(rest, p) })
}
