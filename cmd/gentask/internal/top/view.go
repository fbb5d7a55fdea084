package top

import "github.com/gentask/gentask/cmd/gentask/internal/terminal"

// Order is that of the queues and nodes. The set is closed.
type Order uint8

// The orders: by name, and else the largest one first. Nodes have no waiting messages: they are in
// the order of their names then.
const (
	ByName Order = iota
	ByWaiting
	ByRunning
	ByDone
	ByFailed
	orders // how many there are
)

// String returns the order in words.
func (o Order) String() string {
	return [...]string{"name", "waiting", "running", "done/s", "failed/s"}[o%orders]
}

// View is what the person who looks has chosen. The zero value is where a screen begins.
type View struct {
	Order  Order
	Paused bool // the screen shows what it has
	Help   bool // the keys are explained

	// Offset is how many lines of the tables are above the screen. It may be too large: see Render.
	Offset int
}

// Press changes the view by a key, on a screen that shows page lines of the tables. It reports
// whether the key asks for the end.
func (v *View) Press(key terminal.Key, page int) (end bool) {
	switch key {
	case 'q', 'Q', terminal.KeyInterrupt:
		return true
	case 's':
		v.Order = (v.Order + 1) % orders
	case 'p':
		v.Paused = !v.Paused
	case '?', 'h':
		v.Help = !v.Help
	case 'j', terminal.KeyDown:
		v.Offset++
	case 'k', terminal.KeyUp:
		v.Offset--
	case ' ', terminal.KeyPageDown:
		v.Offset += page
	case 'b', terminal.KeyPageUp:
		v.Offset -= page
	case 'g', terminal.KeyHome:
		v.Offset = 0
	case 'G', terminal.KeyEnd:
		v.Offset = farthest
	}
	v.Offset = min(max(v.Offset, 0), farthest)
	return false
}

// farthest is below all lines.
const farthest = 1 << 30
