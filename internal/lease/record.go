package lease

import (
	"encoding/json"
	"time"

	"github.com/gentask/gentask/queue"
)

// leaseRecord is a program's lease, under [leaseKey].
type leaseRecord struct {
	Node string `json:"node"`
	TTL  int64  `json:"ttl_ms"`
}

// holding is a record of something that is held.
type holding struct {
	Node  string `json:"node"`
	Lease string `json:"lease"`
	Turn  string `json:"turn"` // differs each time that it is taken
}

// leaseKey returns the key of a lease. The id may come from a record that another program wrote.
func leaseKey(id string) string { return leasePrefix + "." + queue.EncodeKey(id) }

// leasePrefix is that of all leases.
const leasePrefix = "lease"

// encode returns a record's value. The types are ours, so there is no error.
func encode(v any) []byte {
	value, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return value
}

// ttlOf returns how long the lease in a record lasts. A record that can't be read counts as one
// with the usual time, because it must end somehow.
func ttlOf(r queue.Record) time.Duration {
	var l leaseRecord
	if err := json.Unmarshal(r.Value, &l); err != nil || l.TTL <= 0 || l.TTL > maxTTL.Milliseconds() {
		return usualTTL
	}
	return time.Duration(l.TTL) * time.Millisecond
}

// maxTTL is the longest TTL that others believe.
const maxTTL = time.Hour

// holderOf returns the holder in a record. One that can't be read has no lease, and is
// void.
func holderOf(r queue.Record) holding {
	var h holding
	_ = json.Unmarshal(r.Value, &h) // the zero value is void
	return h
}
