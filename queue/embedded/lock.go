package embedded

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
)

// lockName is the file that is locked while the directory is in use. The operating system drops the
// lock with the process; the file stays.
const lockName = "gentask.lock"

// opened has the paths of the lock files of this process. A directory that was removed and made
// again has another lock file, but the server of the first may still write to its path. On systems
// without flock, the lock does not keep out the process itself either.
var opened sync.Map

// lock is the exclusive lock of a directory.
type lock struct {
	path string
	file *os.File
	info os.FileInfo
}

// acquire locks the directory, and writes the process id to the file, for the error of others.
func acquire(dir string) (*lock, error) {
	path := filepath.Join(dir, lockName)
	if _, taken := opened.LoadOrStore(path, true); taken {
		return nil, fmt.Errorf("%w: %q, by another broker of this process", ErrInUse, dir)
	}
	l, err := acquireFile(dir, path)
	if err != nil {
		opened.Delete(path)
	}
	return l, err
}

func acquireFile(dir, path string) (*lock, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("embedded: directory %q must be writable: %w", dir, err)
	}
	if err := lockFile(f); err != nil {
		defer closeQuietly(f)
		return nil, fmt.Errorf("%w: %q, by %s (%w)", ErrInUse, dir, owner(f), err)
	}
	info, err := f.Stat()
	if err == nil {
		err = sign(f)
	}
	if err != nil {
		defer closeQuietly(f)
		return nil, fmt.Errorf("embedded: directory %q must be writable: %w", dir, err)
	}
	return &lock{path: path, file: f, info: info}, nil
}

// held returns an error unless the locked file is still the one at its path. If it is not, the
// directory was removed, moved, or replaced.
func (l *lock) held() error {
	at, err := os.Stat(l.path)
	switch {
	case errors.Is(err, fs.ErrNotExist), err == nil && !os.SameFile(at, l.info):
		return fmt.Errorf("%w: %q", ErrRemoved, filepath.Dir(l.path))
	}
	return err
}

// release frees the directory.
func (l *lock) release() error {
	opened.Delete(l.path)
	return l.file.Close()
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
