package once

import (
	"bytes"
	"strings"
	"sync"
)

// maxOutput is how much is kept of what a program writes, and of what its runtime writes.
const maxOutput = 16 << 10

// Output keeps the end of what a program writes, and apart from that the beginning of what the Go
// runtime writes when it crashes: 16 KiB each. The rest is dropped. The zero value is empty. It is
// safe for concurrent use.
type Output struct {
	mu     sync.Mutex
	tail   []byte // the end, up to twice maxOutput
	report []byte // from the first line of a crash
	line   []byte // the beginning of the line that is not complete
}

// crashSigns begin the first line that the Go runtime writes about a crash.
var crashSigns = [][]byte{
	[]byte("panic: "), []byte("fatal error: "), []byte("runtime: "), []byte("SIGSEGV"), []byte("SIGABRT"),
	[]byte("SIGBUS"), []byte("SIGFPE"), []byte("SIGILL"), []byte("SIGQUIT"), []byte("SIGTRAP"), []byte("SIGSYS"),
	[]byte("unexpected fault address"),
}

// Write implements io.Writer.
func (o *Output) Write(data []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	n := len(data)
	o.tail = append(o.tail, data[max(0, n-maxOutput):]...)
	if over := len(o.tail) - maxOutput; over > maxOutput {
		o.tail = append(o.tail[:0], o.tail[over:]...)
	}
	for len(data) > 0 && len(o.report) == 0 {
		data = o.look(data)
	}
	o.report = append(o.report, data[:min(len(data), maxOutput-len(o.report))]...)
	return n, nil
}

// look takes the rest of a line, and returns what is after it. If the line is the first of a crash,
// it begins the report.
func (o *Output) look(data []byte) []byte {
	const longest = 200 // more of a line is not kept
	end := bytes.IndexByte(data, '\n')
	part, rest := data, []byte(nil)
	if end >= 0 {
		part, rest = data[:end], data[end+1:]
	}
	o.line = append(o.line, part[:min(len(part), longest-min(len(o.line), longest))]...)
	if end < 0 {
		return nil
	}
	for _, sign := range crashSigns {
		if bytes.HasPrefix(o.line, sign) {
			o.report = append(append(o.report, o.line...), '\n')
		}
	}
	o.line = o.line[:0]
	return rest
}

// Texts returns the end of the output, and the report of the crash, which is empty if there is
// none.
func (o *Output) Texts() (tail, report string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	text := func(b []byte) string { return strings.ToValidUTF8(string(bytes.TrimSpace(b)), "\uFFFD") }
	return text(o.tail[max(0, len(o.tail)-maxOutput):]), text(o.report)
}

// Stack returns the stack of the goroutine that crashed, by the report of the Go runtime; empty if
// there is none.
func Stack(report string) string {
	start := strings.Index(report, "\ngoroutine ")
	if start < 0 {
		return ""
	}
	stack, _, _ := strings.Cut(report[start+1:], "\n\n")
	return stack
}
