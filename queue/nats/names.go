package nats

import (
	"fmt"
	"strings"
	"unicode"

	"github.com/gentask/gentask/queue"
)

const (
	// deadSuffix makes the name of a queue's dead-letter queue.
	deadSuffix = "-dead"

	// keysSuffix makes the name of the stream that remembers a queue's unique keys.
	keysSuffix = "-keys"

	// consumerName is the durable consumer of every queue's stream.
	consumerName = "gentask"

	// maxName leaves room for the suffix below the 255 bytes that the server allows: the name is a file name too.
	maxName = 200
)

// checkName refuses what JetStream would refuse as the name of a stream or as its subject, and what the server keeps for itself.
func checkName(name string) error {
	switch {
	case name == "":
		return fmt.Errorf("nats: %w: queue name is empty, must be a name like \"emails\"", queue.ErrConfig)
	case len(name) > maxName:
		return fmt.Errorf("nats: %w: queue name %.20q... has %d bytes, must have at most %d", queue.ErrConfig, name, len(name), maxName)
	case strings.HasPrefix(name, "$") || strings.HasPrefix(name, "_INBOX"):
		return fmt.Errorf("nats: %w: queue name %q is the server's own, must not begin with \"$\" or \"_INBOX\"", queue.ErrConfig, name)
	}
	for _, r := range name {
		if strings.ContainsRune(".*>/\\", r) || unicode.IsSpace(r) || !unicode.IsPrint(r) {
			return fmt.Errorf("nats: %w: queue name %q contains %q, must be without white space and . * > / \\", queue.ErrConfig, name, r)
		}
	}
	return nil
}
