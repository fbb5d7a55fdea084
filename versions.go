package gentask

import (
	"fmt"
	"slices"
)

// checkVersions rejects versions that no message can have.
func checkVersions(versions []string) error {
	return unfitIf(slices.Contains(versions, ""), "Versions", fmt.Sprintf("%q", versions),
		"names that are not empty: a message without the header is taken anyway")
}
