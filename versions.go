package gentask

import (
	"fmt"
	"slices"
	"strings"

	"github.com/gentask/gentask/queue"
)

// VersionError is the error of a message whose version is none of [Config.Versions]. It wraps
// [queue.ErrUnknown]: see [Unknown].
type VersionError struct {
	// Version is the message's version, from the header [queue.HeaderVersion].
	Version string
	// Known is [Config.Versions].
	Known []string
}

// Error returns the version and the supported ones.
func (e *VersionError) Error() string {
	return fmt.Sprintf("gentask: version %q in header %q is unknown; known are %s",
		e.Version, queue.HeaderVersion, strings.Join(e.Known, ", "))
}

// Unwrap returns [queue.ErrUnknown].
func (*VersionError) Unwrap() error { return queue.ErrUnknown }

// checkVersions rejects versions that no message can have.
func checkVersions(versions []string) error {
	return unfitIf(slices.Contains(versions, ""), "Versions", fmt.Sprintf("%q", versions),
		"names that are not empty: a message without the header is taken anyway")
}
