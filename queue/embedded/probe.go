package embedded

import (
	"errors"
	"os"
	"path/filepath"
	"strings"

	"github.com/nats-io/nats-server/v2/server"
)

// room is what must fit into the directory before a server is started in it: one message of the
// server's largest size.
const room = server.MAX_PAYLOAD_SIZE

const probeName = "gentask.probe"

// errDisabled is a reason of look: the server has stopped its JetStream by itself.
var errDisabled = errors.New("the server has disabled JetStream")

// usable returns an error unless the directory is there and has room. It writes, because that is
// the only question that quotas, limits and network file systems answer.
func (h *host) usable() error {
	if err := h.lock.held(); err != nil {
		return err
	}
	path := filepath.Join(h.dir, probeName)
	err := writeAndSync(path)
	return errors.Join(err, os.Remove(path))
}

func writeAndSync(path string) (err error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if _, err := f.Write(make([]byte, room)); err != nil {
		return err
	}
	return f.Sync()
}

// look returns the reason why the server can't store messages, if there is one.
func (h *host) look() error {
	s := h.current()
	if s == nil {
		return nil // it is being replaced, or closed
	}
	if err := h.usable(); err != nil {
		return err
	}
	if !s.JetStreamEnabled() {
		return errDisabled
	}
	for _, e := range s.Healthz(&server.HealthzOptions{Details: true}).Errors {
		if strings.Contains(e.Error, "write error") {
			return errors.New(e.Error) //nolint:err113 // the server's words
		}
	}
	return nil
}
