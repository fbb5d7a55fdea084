package nats

import (
	"fmt"
	"strings"
	"unicode"

	"github.com/gentask/gentask/queue"
)

const (
	// deadSuffix is appended to a queue's name for its dead-letter queue.
	deadSuffix = "-dead"

	// suspectsSuffix is appended to a queue's name for the stream of its suspects.
	suspectsSuffix = "-suspects"

	// keysSuffix is appended to a queue's name for the stream of its unique keys.
	keysSuffix = "-keys"

	// consumerName is the durable consumer of every queue's stream.
	consumerName = "gentask"

	// maxName leaves room for the suffix below the server's limit of 255 bytes, because the name is
	// a file name too.
	maxName = 200
)

// checkName refuses names that JetStream refuses for a stream or its subject, or reserves.
func checkName(name string) error {
	switch {
	case name == "":
		return fmt.Errorf("nats: %w: queue name is empty, must be a name like \"emails\"", queue.ErrConfig)
	case len(name) > maxName:
		return fmt.Errorf("nats: %w: queue name %.20q... has %d bytes, must have at most %d", queue.ErrConfig, name,
			len(name), maxName)
	case strings.HasPrefix(name, "$") || strings.HasPrefix(name, "_INBOX"):
		return fmt.Errorf("nats: %w: queue name %q is the server's own, must not begin with \"$\" or \"_INBOX\"",
			queue.ErrConfig, name)
	}
	for _, r := range name {
		if strings.ContainsRune(".*>/\\", r) || unicode.IsSpace(r) || !unicode.IsPrint(r) {
			return fmt.Errorf("nats: %w: queue name %q contains %q, must be without white space and . * > / \\",
				queue.ErrConfig, name, r)
		}
	}
	return nil
}
