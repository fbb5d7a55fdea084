package command

import (
	"encoding/hex"
	"maps"
	"slices"
	"unicode/utf8"

	"github.com/gentask/gentask/cmd/gentask/internal/terminal"
	"github.com/gentask/gentask/queue"
)

// showMessage shows headers, properties and body of a message. Headers of the library that a letter
// shows by other names are left out.
func showMessage(out *terminal.Screen, m *queue.Message) {
	if m.ContentType != "" {
		out.Printf("%s %s\n", out.Paint(terminal.Title, "content type:"), terminal.Text(m.ContentType))
	}
	if !m.Time.IsZero() {
		out.Printf("%s %s\n", out.Paint(terminal.Title, "published:"), moment(m.Time))
	}
	if !m.NotBefore.IsZero() {
		out.Printf("%s %s\n", out.Paint(terminal.Title, "not before:"), moment(m.NotBefore))
	}
	for _, name := range slices.Sorted(maps.Keys(m.Headers)) {
		if !slices.Contains(shownElsewhere, name) {
			out.Printf("%s %s: %s\n", out.Paint(terminal.Title, "header"), terminal.Text(name),
				terminal.Lines(m.Headers[name], "  "))
		}
	}
	for name, value := range m.Properties.Headers() {
		out.Printf("%s %s: %s\n", out.Paint(terminal.Title, "property"), terminal.Text(name), terminal.Text(value))
	}
	if out.Printf("%s\n", out.Paint(terminal.Title, "body:")); !utf8.Valid(m.Body) {
		out.Printf("%s", hex.Dump(m.Body))
		return
	}
	out.Printf("  %s\n", terminal.Lines(string(m.Body), "  "))
}

// shownElsewhere are the headers that a letter shows as its own fields.
var shownElsewhere = []string{
	queue.HeaderReason, queue.HeaderStack, queue.HeaderLog, queue.HeaderHistory, queue.HeaderDeadAt,
	queue.HeaderAttempts, queue.HeaderQueue,
}

// textOrBytes returns a body as text if it is that, and as bytes otherwise.
func textOrBytes(body []byte) (string, []byte) {
	if utf8.Valid(body) {
		return string(body), nil
	}
	return "", body
}
