package doctor

import (
	"fmt"
	"os"
	"strings"
)

// room is how much an embedded broker should have.
const room = 1 << 30

// directory looks at the directory of an embedded broker.
func (e *examination) directory() {
	_, path, _ := strings.Cut(e.URL, ":")
	path = strings.TrimPrefix(path, "//")
	info, err := os.Stat(path)
	if err != nil {
		e.failed(Wrong, "directory", err, "")
		return
	}
	mode := info.Mode().Perm()
	e.is(mode&0o077 != 0, Risk, "directory", "mode "+mode.String(),
		"chmod 700: others on this machine can read the messages")
	free, err := freeBytes(path)
	if err != nil {
		e.failed(Unknown, "free space", err, "")
		return
	}
	e.is(free < room, Risk, "free space", fmt.Sprintf("%d MiB", free>>20),
		"make room: a full disk stops all publishers and consumers")
}
