package gentask

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"hash/maphash"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/gentask/gentask/internal/admission"
	"github.com/gentask/gentask/queue"
)

// identity identifies one publishing of a message, over all of its deliveries. An ID alone does
// not: a publisher may use one ID twice, or for everything. It hashes everything that all
// deliveries of the message have in common. It has 128 bits under a seed of the process, so that no
// sender can make two of them collide. The zero value stands for no message.
type identity = admission.Identity

// identityOf returns the identity of d.
func identityOf(seed maphash.Seed, d *queue.Delivery) identity {
	var rest [28]byte
	binary.LittleEndian.PutUint64(rest[0:], uint64(d.Time.Unix())) //nolint:gosec // only compared
	binary.LittleEndian.PutUint64(rest[8:], d.Sequence)
	binary.LittleEndian.PutUint64(rest[16:], maphash.Bytes(seed, d.Body))
	binary.LittleEndian.PutUint32(rest[24:], uint32(d.Time.Nanosecond())) //nolint:gosec // below 10^9
	return identity{ID: maphash.String(seed, d.ID), Rest: maphash.Bytes(seed, rest[:])}
}

// maxName is how many bytes of a key or an ID are remembered at most.
const maxName = 64

// bounded returns name if it is no longer than maxName. Otherwise it returns a beginning of it and
// a hash of all of it, which together are no longer than that.
func bounded(name string) string {
	if len(name) <= maxName {
		return name
	}
	sum := sha256.Sum256([]byte(name))
	hash := hex.EncodeToString(sum[:16])
	end := maxName - len("...") - len(hash)
	for end > 0 && !utf8.RuneStart(name[end]) {
		end--
	}
	return name[:end] + "..." + hash
}

// storeKey returns the key of d for a DedupStore. It is the same at every node and in every
// process.
func storeKey(d *queue.Delivery) string {
	var b strings.Builder
	b.WriteString(bounded(d.ID))
	b.WriteByte('@')
	if !d.Time.IsZero() {
		b.WriteString(d.Time.UTC().Format(time.RFC3339Nano))
	}
	if d.Sequence != 0 {
		b.WriteByte('+')
		b.WriteString(strconv.FormatUint(d.Sequence, 10))
	}
	b.WriteByte('#')
	sum := sha256.Sum256(d.Body)
	b.WriteString(hex.EncodeToString(sum[:8]))
	return b.String()
}

// sharedIDs counts the deliveries whose ID is that of another message, among the most recent ones.
type sharedIDs struct {
	last  []identity // by ID; the last one that came
	count int
}

// sharedSlots is how many IDs are compared. Messages that share one ID are found however few there
// are.
const sharedSlots = 256

// note counts a delivery, and reports whether it is the first with a shared ID.
func (s *sharedIDs) note(i identity) (first bool) {
	if s.last == nil {
		s.last = make([]identity, sharedSlots)
	}
	at := &s.last[i.ID%sharedSlots]
	shared := at.ID == i.ID && at.Rest != i.Rest
	*at = i
	if shared {
		s.count++
	}
	return shared && s.count == 1
}
