package terminal

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"

	"golang.org/x/term"
)

// The sequences around a live screen: the alternate screen, without a cursor, and without a line
// that wraps at the right edge.
const (
	liveBegin = "\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[2J"
	liveEnd   = "\x1b[?7h\x1b[?25h\x1b[?1049l"
)

// ErrNoTerminal is returned by [Screen.Live] if the output or the input is not a terminal.
var ErrNoTerminal = errors.New("not a terminal")

// Live is a terminal whose whole screen a command draws again and again. [Screen.Live] makes one.
// Its methods must be called on one goroutine.
type Live struct {
	screen *Screen
	out    *os.File
	keys   chan Key
	sizes  chan os.Signal
	shown  string // the last frame
}

// Live takes the whole terminal for the time of f, and gives it back as it was when f returns, also
// by a panic. Keys come without an echo, and no key is a signal. It returns ErrNoTerminal if there
// is none, and else the error of f, joined with that of a terminal that can't be restored.
//
// The goroutine that reads the keys ends with the process, because a read of a terminal can't be
// interrupted. So nothing else can read the input afterwards.
func (s *Screen) Live(f func(l *Live) error) (err error) {
	out, isOut := s.outOf.(*os.File)
	in, isIn := s.inOf.(*os.File)
	if !s.terminal || !s.listens || !isOut || !isIn {
		return ErrNoTerminal
	}
	before, err := term.MakeRaw(int(in.Fd())) //nolint:gosec // a descriptor is small
	if err != nil {
		return fmt.Errorf("%w: %w", ErrNoTerminal, err)
	}
	l := &Live{screen: s, out: out, keys: make(chan Key), sizes: make(chan os.Signal, 1)}
	ended := make(chan struct{})
	notifyResize(l.sizes)
	defer func() {
		close(ended)
		signal.Stop(l.sizes)
		l.write(liveEnd)
		err = errors.Join(err, term.Restore(int(in.Fd()), before)) //nolint:gosec // likewise
	}()
	s.Flush()
	l.write(liveBegin)
	go l.read(ended)
	return f(l)
}

// read sends the keys until the input or f ends.
func (l *Live) read(ended <-chan struct{}) {
	defer close(l.keys)
	var data []byte
	part := make([]byte, 256)
	for {
		n, err := l.screen.in.Read(part)
		var keys []Key
		keys, data = keysOf(append(data, part[:n]...))
		for _, key := range keys {
			select {
			case l.keys <- key:
			case <-ended:
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// Keys returns the channel of the keys. It is closed when the terminal is gone.
func (l *Live) Keys() <-chan Key { return l.keys }

// Resized returns a channel that receives when the size has changed, on systems with such a signal.
func (l *Live) Resized() <-chan os.Signal { return l.sizes }

// Size returns how many columns and lines the terminal has.
func (l *Live) Size() (width, height int) {
	width, height, err := term.GetSize(int(l.out.Fd())) //nolint:gosec // a descriptor is small
	if err != nil || width <= 0 || height <= 0 {
		return usualWidth, usualHeight
	}
	return width, height
}

// usualHeight is that of a terminal that does not know its own.
const usualHeight = 24

// Draw shows lines from the upper left corner on, and nothing else. It is one write, and none if
// nothing has changed since the last Draw, unless again is true. The lines must be harmless: see
// [Text]. It returns the error of a terminal that is gone.
func (l *Live) Draw(lines []string, again bool) error {
	frame := "\x1b[H" + strings.Join(lines, "\x1b[K\r\n") + "\x1b[K\x1b[J"
	if frame == l.shown && !again {
		return l.screen.Err()
	}
	l.shown = frame
	l.write(frame)
	return l.screen.Err()
}

func (l *Live) write(text string) {
	l.screen.mu.Lock()
	defer l.screen.mu.Unlock()
	_, err := l.out.WriteString(text)
	l.screen.keep(err)
}
