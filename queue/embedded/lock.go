package embedded

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// lockName is the file that is locked while the directory is in use. The operating system drops the
// lock with the process; the file stays.
const lockName = "gentask.lock"

// acquire locks the directory, and writes the process id to the file, for the error of others.
func acquire(dir string) (*os.File, error) {
	path, err := filepath.Abs(filepath.Join(dir, lockName))
	if err != nil {
		return nil, fmt.Errorf("embedded: directory %q: %w", dir, err)
	}
	if lockedHere(path) {
		return nil, fmt.Errorf("%w: %q, by another broker of this process", ErrInUse, dir)
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("embedded: directory %q must be writable: %w", dir, err)
	}
	if err := lockFile(f); err != nil {
		defer closeQuietly(f)
		return nil, fmt.Errorf("%w: %q, by %s (%w)", ErrInUse, dir, owner(f), err)
	}
	if err := sign(f); err != nil {
		defer closeQuietly(f)
		return nil, fmt.Errorf("embedded: directory %q must be writable: %w", dir, err)
	}
	return f, nil
}

// sign writes the process id to the lock file.
func sign(f *os.File) error {
	if err := f.Truncate(0); err != nil {
		return err
	}
	_, err := f.WriteAt([]byte(strconv.Itoa(os.Getpid())), 0)
	return err
}

// owner describes the holder of the lock, as far as the file has it.
func owner(f *os.File) string {
	text, err := io.ReadAll(io.LimitReader(f, 20))
	pid := strings.TrimSpace(string(text))
	switch {
	case err != nil || pid == "":
		return "another process"
	case pid == strconv.Itoa(os.Getpid()):
		return "another broker of this process"
	}
	return "process " + pid
}

// closeQuietly closes a file that nothing was written to.
func closeQuietly(f *os.File) { _ = f.Close() }
