package rabbitmq

import (
	"fmt"

	amqp "github.com/rabbitmq/amqp091-go"
)

// serverVersion is the release that a server reports when a connection starts. Everything that
// differs between releases is decided by its methods, and not by an attempt: a server may accept
// what it then ignores. The zero serverVersion, of a server that reports none, has nothing new.
//
// In a cluster that is being upgraded, it is that of the node at the other end.
type serverVersion struct{ major, minor int }

// versionOf returns the version in the properties of a server.
func versionOf(properties amqp.Table) serverVersion {
	text, _ := properties["version"].(string)
	var v serverVersion
	if _, err := fmt.Sscanf(text, "%d.%d", &v.major, &v.minor); err != nil {
		return serverVersion{}
	}
	return v
}

// String returns the version as an error shows it.
func (v serverVersion) String() string {
	if v == (serverVersion{}) {
		return "unknown"
	}
	return fmt.Sprintf("%d.%d", v.major, v.minor)
}

// atLeast reports whether v is that release or a later one.
func (v serverVersion) atLeast(major, minor int) bool {
	return v.major > major || v.major == major && v.minor >= minor
}

// countsAcquired reports whether a quorum queue marks each delivery with the number of earlier ones
// (x-acquired-count), and x-delivery-count omits those that were given back, and those that the
// consumer timeout has ended.
func (v serverVersion) countsAcquired() bool { return v.atLeast(4, 3) }

// hasQuorumPriorities reports whether quorum queues deliver by priority. They need no argument.
func (v serverVersion) hasQuorumPriorities() bool { return v.atLeast(4, 3) }

// hasConsumerTimeouts reports whether a consumer of a quorum queue may ask for its own timeout.
// Such a timeout cancels the consumer; on older servers it closes the channel.
func (v serverVersion) hasConsumerTimeouts() bool { return v.atLeast(4, 3) }

// forgetsToAdmit reports whether a quorum queue that has refused a channel's messages, because it
// was full, may refuse them forever when its limit is gone.
func (v serverVersion) forgetsToAdmit() bool { return !v.atLeast(4, 3) }

// hasOnlyKhepri reports whether the server keeps its queues in Khepri and nowhere else. Khepri
// syncs a whole change before it confirms it, and needs a majority of the nodes for each.
func (v serverVersion) hasOnlyKhepri() bool { return v.atLeast(4, 3) }
