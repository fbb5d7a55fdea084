package terminal_test

import (
	"os"
	"strings"

	"github.com/gentask/gentask/cmd/gentask/internal/terminal"
)

// In a pipe a table has no head, and its columns are separated by tabs. Escape sequences are shown,
// and do nothing.
func ExampleScreen_Table() {
	s := terminal.New(terminal.Config{Out: os.Stdout, Err: os.Stderr, In: strings.NewReader("")})
	table := s.Table("ID", "REASON")
	table.Row(terminal.Plain("order-7", "no such host")...)
	table.Row(terminal.Plain("\x1b[2Jorder-8", "boom")...)
	table.Close()
	s.Flush()
	// Output:
	// order-7	no such host
	// \x1b[2Jorder-8	boom
}
