package terminal

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"sync"

	"golang.org/x/term"
)

// Config configures a [Screen].
type Config struct {
	// Out gets the results, and Err messages, progress and questions. In answers the questions.
	Out, Err io.Writer
	In       io.Reader

	// JSON writes each result as an object of JSON, one a line.
	JSON bool

	// Plain leaves out colours also on a terminal.
	Plain bool
}

// Screen is where a command shows its results. Use [New] to make one. Its methods are safe for
// concurrent use, but those of one [Table] are not.
type Screen struct {
	mu   sync.Mutex // guards out and broken
	out  *bufio.Writer
	err  io.Writer
	in   *bufio.Reader
	json bool

	outOf, inOf any // the streams that out and in were made of

	terminal bool // Out is one
	talks    bool // Err is one
	listens  bool // In is one
	coloured bool
	width    func() int
	broken   error // the first error of Out
}

// New returns a screen. Nothing is written before the first call of [Screen.Flush], or before much
// was written.
func New(cfg Config) *Screen {
	s := &Screen{
		out: bufio.NewWriter(cfg.Out), err: cfg.Err, in: bufio.NewReader(cfg.In), json: cfg.JSON,
		outOf: cfg.Out, inOf: cfg.In, terminal: is(cfg.Out), talks: is(cfg.Err), listens: is(cfg.In),
	}
	s.coloured = s.terminal && !cfg.Plain
	s.width = func() int { return widthOf(cfg.Out) }
	return s
}

// is reports whether a stream is a terminal.
func is(stream any) bool {
	file, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(file.Fd())) //nolint:gosec // a descriptor is small
}

// usualWidth is that of a terminal that does not know its own.
const usualWidth = 80

func widthOf(stream any) int {
	if file, ok := stream.(*os.File); ok {
		if width, _, err := term.GetSize(int(file.Fd())); err == nil && width > 0 { //nolint:gosec // likewise
			return width
		}
	}
	return usualWidth
}

// IsJSON reports whether results are objects of JSON.
func (s *Screen) IsJSON() bool { return s.json }

// IsTerminal reports whether results go to a terminal.
func (s *Screen) IsTerminal() bool { return s.terminal }

// Listens reports whether somebody at a terminal can be asked.
func (s *Screen) Listens() bool { return s.listens && s.talks }

// Object writes value as one line of JSON. Characters that a terminal would act on are escaped.
func (s *Screen) Object(value any) {
	text, err := objectOf(value)
	if err != nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.keep(fmt.Errorf("write JSON: %w", err))
		return
	}
	s.write(text + "\n")
}

// Printf writes to the results. Arguments that are texts of others must pass through [Text].
func (s *Screen) Printf(format string, args ...any) { s.write(fmt.Sprintf(format, args...)) }

// Bytes writes data as it is. It is for bodies that go to a pipe or a file.
func (s *Screen) Bytes(data []byte) { s.write(string(data)) }

// Notef writes a line for the person who looks on to the messages.
func (s *Screen) Notef(format string, args ...any) {
	s.Flush()
	_, _ = fmt.Fprintf(s.err, format+"\n", args...) // there is nowhere else to complain
}

// Clear clears the terminal and goes to its upper left corner. Elsewhere it writes an empty line.
func (s *Screen) Clear() {
	if s.terminal {
		s.write("\x1b[H\x1b[2J")
		return
	}
	s.write("\n")
}

func (s *Screen) write(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, err := s.out.WriteString(text)
	s.keep(err)
}

// Flush writes what has gathered.
func (s *Screen) Flush() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keep(s.out.Flush())
}

// keep keeps the first error. The mutex is held.
func (s *Screen) keep(err error) {
	if s.broken == nil {
		s.broken = err
	}
}

// Err returns the first error of a write, such as that of a full disk or of a pipe whose reader has
// gone. Nothing is written after it.
func (s *Screen) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.broken
}
