package browsertest

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

// mostPicture is the most bytes of a picture.
const mostPicture = 80 << 10

// shot is a picture of a page.
type shot struct {
	name, scheme  string
	width, height int64
	links         []string // that lead there from the first page
}

var shots = []shot{
	{"overview", "light", 1200, 900, nil},
	{"overview-dark", "dark", 1200, 900, nil},
	{"queue", "light", 1200, 1300, []string{`a[href="queue?queue=emails"]`}},
	{"letters", "dark", 1200, 800, []string{`a[href^="queue?"]`, `a[href^="letters?"]`}},
	{"letter", "light", 1200, 1000, []string{`a[href^="queue?"]`, `a[href^="letters?"]`, `a[href*="fp="]`, `a[href^="letter?"]`}},
	{"events", "light", 1200, 700, []string{`a[href="events"]`}},
	{"phone", "light", 380, 780, nil},
	{"phone-queue", "dark", 380, 780, []string{`a[href^="queue?"]`}},
}

// TestScreenshots makes the pictures of docs/dashboard.md, and each is small enough. With a
// directory in GENTASK_SCREENSHOTS they are of examples/dashboard and are written there. Otherwise
// some are made of a small shop, and dropped.
func TestScreenshots(t *testing.T) {
	dir, home, shots := os.Getenv("GENTASK_SCREENSHOTS"), "", shots
	rest := 5 * time.Second // until a page has what is measured while someone looks
	if dir == "" {
		rest = 0
		dir, home, shots = t.TempDir(), openBusyShop(t).url, shots[:2]
	} else {
		home = startExample(t)
		warm := newTab(t)
		warm.visit(home)
		warm.rest(5 * time.Minute) // the charts are that long
		warm.faults()              // a stream lives for as long, and htmx logs its end
	}
	for _, one := range shots {
		t.Run(one.name, func(t *testing.T) {
			p := newTab(t)
			p.prefer(one.scheme)
			p.resize(one.width, one.height)
			p.visit(home)
			for _, link := range one.links {
				p.follow(link)
			}
			p.rest(rest)
			picture, err := run(p, chromedp.CaptureScreenshot())
			require.NoError(t, err)
			require.NoError(t, writePicture(filepath.Join(dir, "dashboard-"+one.name+".png"), picture))
		})
	}
}

// rest leaves the page open for a while.
func (p *tab) rest(d time.Duration) {
	select {
	case <-time.After(d):
	case <-p.ctx.Done():
	}
}

// startExample starts examples/dashboard, and returns the address that it prints.
func startExample(t *testing.T) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "dashboard")
	build := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-o", program, "./examples/dashboard")
	build.Dir = filepath.Join("..", "..")
	text, err := build.CombinedOutput()
	require.NoError(t, err, "%s", text)
	cmd := exec.CommandContext(t.Context(), program, "-addr", "127.0.0.1:0")
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Wait() })
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	_, home, found := strings.Cut(strings.TrimSpace(line), " at ")
	require.True(t, found, line)
	return home
}
