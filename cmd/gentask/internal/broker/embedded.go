package broker

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/gentask/gentask/queue"
	"github.com/gentask/gentask/queue/embedded"
)

// directory is the broker in a directory.
type directory struct {
	*embedded.Broker
	temporary string // its path if Close removes it
}

// mark is the file that each directory of an embedded broker has.
const mark = "gentask.lock"

func openEmbedded(cfg Config) (Broker, error) {
	_, path, _ := strings.Cut(cfg.URL, ":")
	path = strings.TrimPrefix(path, "//")
	if path == "" {
		return nil, fmt.Errorf("%w: %q names no directory; it must be like file:./data", ErrURL, cfg.URL)
	}
	d := &directory{}
	if cfg.Temporary && os.Mkdir(path, 0o700) == nil {
		d.temporary = path
	}
	if err := checkDirectory(path, cfg.Create || d.temporary != ""); err != nil {
		return nil, err
	}
	b, err := embedded.Open(path)
	if err != nil {
		err = errors.Join(err, d.remove())
	}
	if errors.Is(err, embedded.ErrInUse) {
		return nil, fmt.Errorf("%w: %w. Only one process can have it open: stop that one, or use a dashboard "+
			"inside of it",
			ErrAway, err)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrAway, err)
	}
	d.Broker = b
	return d, nil
}

// checkDirectory refuses a directory that is not one of an embedded broker, so that a mistake in
// its name does not make one, and nothing is written among other files.
func checkDirectory(path string, create bool) error {
	_, err := os.Stat(filepath.Join(path, mark))
	if err == nil {
		return nil
	}
	if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrInvalid) {
		return fmt.Errorf("%w: %w", ErrAway, err)
	}
	if entries, err := os.ReadDir(path); err == nil && len(entries) > 0 {
		return fmt.Errorf("%w: directory %q has other files, and none of an embedded broker", ErrURL, path)
	}
	if !create {
		return fmt.Errorf("%w: directory %q has no files of an embedded broker; to make one, publish with --create",
			ErrURL, path)
	}
	return nil
}

// System implements Broker.
func (*directory) System() string { return "embedded" }

// Queue implements Broker.
func (d *directory) Queue(name string) Queue { return d.Broker.Queue(name) }

// Make implements Broker.
func (d *directory) Make(ctx context.Context, name string) (OwnQueue, error) {
	return d.Broker.Queue(name), isNew(ctx, d, name)
}

// Names implements Broker.
func (d *directory) Names(ctx context.Context) ([]string, error) { return d.Queues(ctx) }

// Find implements Broker.
func (d *directory) Find(ctx context.Context, name string) error { return find(ctx, d, name) }

// Peek implements Broker.
func (d *directory) Peek(ctx context.Context, name string, limit int) ([]queue.Message, error) {
	return d.Broker.Queue(name).Peek(ctx, limit)
}

// Close implements Broker.
func (d *directory) Close() error { return errors.Join(d.Broker.Close(), d.remove()) }

// remove removes a directory that is temporary.
func (d *directory) remove() error {
	if d.temporary == "" {
		return nil
	}
	return os.RemoveAll(d.temporary)
}
