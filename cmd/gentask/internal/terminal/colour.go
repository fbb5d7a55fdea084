package terminal

// Colour is one that means something. The set is closed.
type Colour uint8

// The colours. The zero one is none.
const (
	None  Colour = iota
	Good         // green: as it should be
	Fair         // yellow: look at it soon
	Bad          // red: look at it now
	Faint        // grey: less important
	Title        // bold: the head of a table
)

// codes are the parameters of SGR.
var codes = [...]string{Good: "32", Fair: "33", Bad: "31", Faint: "2", Title: "1"}

// Paint returns text in a colour, and as it is where there are no colours.
func (s *Screen) Paint(c Colour, text string) string {
	if !s.coloured || c == None || text == "" {
		return text
	}
	return "\x1b[" + codes[c] + "m" + text + "\x1b[0m"
}
