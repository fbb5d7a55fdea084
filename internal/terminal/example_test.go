package terminal_test

import (
	"fmt"

	"github.com/gentask/gentask/internal/terminal"
)

// A message's ID may try to clear the screen.
func ExampleText() {
	fmt.Println(terminal.Text("order-7\x1b[2J"))
	// Output: order-7\x1b[2J
}
