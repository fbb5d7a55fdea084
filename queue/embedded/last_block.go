package embedded

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"time"
)

// lastBlock is the file of a stream to which the server appends messages: the one with the highest
// number. The next message goes there, or to the next number.
type lastBlock struct {
	file    *os.File // nil if there is none
	info    os.FileInfo
	path    string
	next    string    // the path of the next block
	watched []watched // shows blocks that were rewritten, and new consumers
}

// watched is a directory, as it was before its files were synced.
type watched struct {
	path string
	info os.FileInfo
}

// distinct is how old a change to a directory must be, so that the next one has another time.
const distinct = 100 * time.Millisecond

// watch returns the directories as they are.
func watch(dirs ...string) ([]watched, error) {
	var all []watched
	for _, dir := range dirs {
		info, err := os.Stat(dir)
		if err != nil {
			return nil, err
		}
		all = append(all, watched{path: dir, info: info})
	}
	return all, nil
}

// openLast opens the last block in the first of the directories. It opens none if one of them has
// changed shortly before begun, and none where an open file can't be removed.
func openLast(dirs []watched, begun time.Time) (lastBlock, error) {
	for _, w := range dirs {
		if begun.Sub(w.info.ModTime()) < distinct || runtime.GOOS == "windows" {
			return lastBlock{}, nil
		}
	}
	highest, err := highestBlock(dirs[0].path)
	if err != nil || highest == 0 {
		return lastBlock{}, err
	}
	b := lastBlock{path: blockPath(dirs[0].path, highest), next: blockPath(dirs[0].path, highest+1), watched: dirs}
	b.file, err = os.OpenFile(b.path, os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return lastBlock{}, nil // its messages are settled
	}
	if err != nil {
		return lastBlock{}, err
	}
	if b.info, err = b.file.Stat(); err != nil {
		b.close()
	}
	return b, err
}

// highestBlock returns the highest number of a block; 0 if there is none.
func highestBlock(dir string) (int, error) {
	entries, err := os.ReadDir(dir)
	highest := 0
	for _, e := range entries {
		var n int
		if _, err := fmt.Sscanf(e.Name(), "%d.blk", &n); err == nil && n > highest && e.Name() == blockName(n) {
			highest = n
		}
	}
	return highest, err
}

func blockName(n int) string { return fmt.Sprintf("%d.blk", n) }

func blockPath(dir string, n int) string { return filepath.Join(dir, blockName(n)) }

// alone reports whether the block is open, and the only file that can have changed since the last
// sync.
func (b *lastBlock) alone() bool {
	if b.file == nil {
		return false
	}
	if now, err := os.Stat(b.path); err != nil || !os.SameFile(now, b.info) {
		return false
	}
	if _, err := os.Stat(b.next); !errors.Is(err, fs.ErrNotExist) {
		return false
	}
	for _, w := range b.watched {
		now, err := os.Stat(w.path)
		if err != nil || !os.SameFile(now, w.info) || !now.ModTime().Equal(w.info.ModTime()) {
			return false
		}
	}
	return true
}

// close closes the block, if it is open.
func (b *lastBlock) close() {
	if b.file != nil {
		closeQuietly(b.file)
	}
	*b = lastBlock{}
}
