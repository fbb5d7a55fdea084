package embedded

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// lastBlock is the only file of a stream that changes as long as no file is made, replaced or
// removed: the server appends messages to it.
type lastBlock struct {
	file    *os.File // nil if there is none
	watched []watched
}

// watched is a directory, as it was before its files were listed.
type watched struct {
	path string
	info os.FileInfo
}

// settled is how old a change to a directory must be, so that the next one has another time.
const settled = 100 * time.Millisecond

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
// changed shortly before begun, because a later change could have the same time.
func openLast(dirs []watched, begun time.Time) (lastBlock, error) {
	for _, w := range dirs {
		if begun.Sub(w.info.ModTime()) < settled {
			return lastBlock{}, nil
		}
	}
	entries, err := os.ReadDir(dirs[0].path)
	if err != nil {
		return lastBlock{}, err
	}
	name, highest := "", -1
	for _, e := range entries {
		var n int
		if _, err := fmt.Sscanf(e.Name(), "%d.blk", &n); err == nil && filepath.Ext(e.Name()) == ".blk" && n > highest {
			name, highest = e.Name(), n
		}
	}
	if name == "" {
		return lastBlock{}, nil
	}
	f, err := os.OpenFile(filepath.Join(dirs[0].path, name), os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return lastBlock{}, nil // its messages are settled
	}
	if err != nil {
		return lastBlock{}, err
	}
	return lastBlock{file: f, watched: dirs}, nil
}

// unmoved reports whether the block is open, and still the only file that can have changed.
func (b *lastBlock) unmoved() bool {
	if b.file == nil {
		return false
	}
	for _, w := range b.watched {
		info, err := os.Stat(w.path)
		if err != nil || !os.SameFile(info, w.info) || !info.ModTime().Equal(w.info.ModTime()) {
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
