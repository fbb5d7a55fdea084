package embedded

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/nats-io/nats-server/v2/server"
)

// A power cut can leave the state of a consumer half written, because the server replaces that file
// without a sync. It then starts without the consumer, and refuses to make it again. The state has
// only the counts of deliveries, so the consumer is made again without it: messages that were
// delivered before the cut may begin with their first attempt again.

// accountName is the only account of the server.
const accountName = "$G"

// streamsDir returns the directory of the streams.
func streamsDir(dir string) string { return filepath.Join(dir, "jetstream", accountName, "streams") }

// torn returns the directories of the consumers that the server could not read.
func torn(s *server.Server, dir string) ([]string, error) {
	account, err := s.JszAccount(&server.JSzOptions{Account: accountName, Streams: true, Consumer: true})
	if err != nil {
		return nil, fmt.Errorf("embedded: list of consumers: %w", err)
	}
	var unread []string
	for _, stream := range account.Streams {
		read := map[string]bool{}
		for _, consumer := range stream.Consumer {
			read[consumer.Name] = true
		}
		consumers := filepath.Join(streamsDir(dir), stream.Name, "obs")
		entries, err := os.ReadDir(consumers)
		if err != nil && !os.IsNotExist(err) {
			return nil, fmt.Errorf("embedded: list of consumers: %w", err)
		}
		for _, e := range entries {
			if e.IsDir() && !read[e.Name()] {
				unread = append(unread, filepath.Join(consumers, e.Name()))
			}
		}
	}
	return unread, nil
}

// repair removes what the server could not read, and reports whether there was anything. The server
// must be started again then.
func (h *host) repair(s *server.Server, log *serverLog) (bool, error) {
	unread, err := torn(s, h.dir)
	if err != nil || len(unread) == 0 {
		return false, err
	}
	halt(s)
	for _, path := range unread {
		log.Warnf("embedded: the state of a consumer can't be read, and is removed: %s", path)
		if err := os.RemoveAll(path); err != nil {
			return true, fmt.Errorf("embedded: %w", err)
		}
	}
	return true, nil
}
