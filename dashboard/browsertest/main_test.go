package browsertest

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"testing"

	"github.com/chromedp/chromedp"
	"go.uber.org/goleak"
)

// browser is the context of the one browser of all tests. Each test has tabs of its own in it.
var browser context.Context

func TestMain(m *testing.M) {
	closeBrowser, err := openBrowser()
	if err != nil {
		fmt.Fprintln(os.Stderr, "browsertest:", err)
		os.Exit(1)
	}
	_ = flag.Set("test.parallel", "6") // they mostly wait for the next second, when pages change
	code := m.Run()
	closeBrowser()
	if code == 0 {
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, "browsertest:", err)
			code = 1
		}
	}
	os.Exit(code)
}

// openBrowser starts a Chromium without a window: that of GENTASK_CHROMIUM, else the one in the
// search path.
func openBrowser() (func(), error) {
	name := os.Getenv("GENTASK_CHROMIUM")
	if name == "" {
		name = "chromium"
	}
	path, err := exec.LookPath(name)
	if err != nil {
		return nil, fmt.Errorf("%w: make chromium installs it on Debian; GENTASK_CHROMIUM may name another one", err)
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path), chromedp.WindowSize(1280, 900),
		chromedp.NoSandbox, // root, as which tests often run, may not have it, and all pages are ours
	)
	allocator, closeAllocator := chromedp.NewExecAllocator(context.Background(), options...)
	var closeContext context.CancelFunc
	browser, closeContext = chromedp.NewContext(allocator)
	closeBrowser := func() {
		closeContext()
		closeAllocator()
	}
	if err := chromedp.Do(browser); err != nil {
		closeBrowser()
		return nil, err
	}
	return closeBrowser, nil
}
