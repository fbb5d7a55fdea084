package terminal

import (
	"context"
	"fmt"
	"strings"
)

// Confirm asks a question and reports whether the answer is yes. It returns the cause of the end of
// ctx if that comes before an answer. It must be called only if [Screen.Listens].
func (s *Screen) Confirm(ctx context.Context, question string) (bool, error) {
	s.Flush()
	_, _ = fmt.Fprintf(s.err, "%s [y/N] ", question) // a person who does not see it answers nothing
	answered := make(chan string, 1)
	go func() { // ends with the process if no answer comes: a read of a terminal can't be interrupted
		line, _ := s.in.ReadString('\n')
		answered <- line
	}()
	select {
	case line := <-answered:
		answer := strings.ToLower(strings.TrimSpace(line))
		return answer == "y" || answer == "yes", nil
	case <-ctx.Done():
		_, _ = fmt.Fprintln(s.err)
		return false, context.Cause(ctx)
	}
}
