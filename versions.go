package gentask

import (
	"fmt"
	"slices"
	"strings"

	"github.com/gentask/gentask/queue"
)

// VersionError says that a message is of a version that is none of Config.Versions. It wraps
// queue.ErrUnknown: see Unknown.
type VersionError struct {
	// Version is that of the message, in the header queue.HeaderVersion.
	Version string
	// Known is Config.Versions.
	Known []string
}

// Error names the versions that are known.
func (e *VersionError) Error() string {
	return fmt.Sprintf("gentask: version %q in header %q is unknown; known are %s", e.Version, queue.HeaderVersion, strings.Join(e.Known, ", "))
}

// Unwrap returns queue.ErrUnknown.
func (*VersionError) Unwrap() error { return queue.ErrUnknown }

// checkVersions refuses names that no message can have.
func checkVersions(versions []string) error {
	return unfitIf(slices.Contains(versions, ""), "Versions", fmt.Sprintf("%q", versions),
		"names that are not empty: a message without the header is taken anyway")
}
