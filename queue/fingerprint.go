package queue

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
)

// fingerprintFrames is how many functions make a fingerprint: enough to tell callers apart, few enough that a new caller far up makes no new one.
const fingerprintFrames = 5

// Fingerprint names the place of a panic by its stack, as HeaderStack holds it or debug.Stack writes it: the same place has the same twelve
// characters, in every process and after every build that leaves the names of its functions alone. It is made of the names of the functions
// that were called last, at most five, those of the runtime and of this library left out; goroutines, arguments, addresses, files and
// lines don't count. It is empty for a stack that names no function, so also for none.
func Fingerprint(stack string) string {
	frames := blamed(functions(stack))
	if len(frames) == 0 {
		return ""
	}
	sum := sha256.Sum256([]byte(strings.Join(frames, "\n")))
	return hex.EncodeToString(sum[:6])
}

// functions returns the names of the functions on a stack, the one called last first.
func functions(stack string) []string {
	var names []string
	for line := range strings.Lines(stack) {
		line = strings.TrimRight(line, "\r\n")
		if line == "" || line[0] == '\t' || strings.HasPrefix(line, "goroutine ") || strings.HasPrefix(line, "created by ") {
			continue
		}
		if i := strings.LastIndexByte(line, '('); i > 0 && strings.HasSuffix(line, ")") {
			line = line[:i] // the arguments
		}
		names = append(names, line)
	}
	return names
}

// blamed leaves out what every stack has: what ran after the panic, the runtime, and what called the user's code.
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

// ofLibrary reports whether a function is one of those by which this library calls the user's code. The compiler may have put what Handle and
// Batch return into the function that called them, and then it has that one's name before its own.
func ofLibrary(name string) bool {
	if strings.Contains(name, ".Handle[...].func") || strings.Contains(name, ".Batch[...].func") {
		return true
	}
	rest, found := strings.CutPrefix(name, "github.com/gentask/gentask")
	return found && slices.ContainsFunc([]string{".", "/actor.", "/supervision.", "/task."}, func(p string) bool {
		return strings.HasPrefix(rest, p)
	})
}
