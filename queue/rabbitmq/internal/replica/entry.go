package replica

import (
	"encoding/binary"
	"errors"
	"time"

	"github.com/gentask/gentask/queue"
)

// Kind is the kind of an [Entry]. The set is closed.
type Kind uint8

const (
	// KindGenesis begins an incarnation, whose name is the entry's ID, in a log that has none.
	KindGenesis Kind = iota + 1

	// KindRenew begins another incarnation, because the end of the log was lost: its writer has
	// read more than there is.
	KindRenew

	// KindPut writes a record, if it meets the condition.
	KindPut

	// KindDelete removes a record, if it meets the condition.
	KindDelete

	// KindClear removes the records with Key as prefix.
	KindClear

	// KindBeat changes no record. When its writer reads it back, it has read everything before. It
	// may advance the clock.
	KindBeat

	// KindBegin begins a snapshot, whose name is the entry's ID.
	KindBegin

	// KindPart has a part of a snapshot.
	KindPart

	// KindEnd ends a snapshot.
	KindEnd
)

// Values of [Entry.Newest] without a snapshot.
const (
	// Unknown means that the writer has seen none.
	Unknown int64 = -2
	// FromStart means that there was none, and the writer has read the log from its first entry.
	FromStart int64 = -1
)

// Entry is one entry of a log.
type Entry struct {
	Kind Kind

	// ID is unique.
	ID string

	// Incarnation is the one that the entry is for. In another one it has no effect.
	Incarnation string

	// Newest is the offset at which the newest whole snapshot begins, as far as the writer has
	// seen.
	Newest int64

	Key       string
	Value     []byte
	Condition queue.Revision
	Keep      time.Duration

	// Since is the offset of the entry that has advanced the clock last, and Elapsed the time since
	// then, of a KindBeat. Of a KindRenew, Since is the offset behind the last that its writer has
	// read. Of a KindGenesis, it is the first revision.
	Since   int64
	Elapsed time.Duration

	// Snapshot is the ID of the begin, of a KindPart and a KindEnd; Parts is their number, of a
	// KindEnd.
	Snapshot string
	Parts    int
	Part     Part
}

// Part is a part of a snapshot. Each one has the state's own data.
type Part struct {
	Incarnation string
	Base        uint64
	Clock       time.Duration
	Ticked      int64
	Records     []Kept
}

// version is the first byte of an entry. A reader does not understand another one.
const version = 1

var errEntry = errors.New("replica: not an entry of this version")

// Encode returns the entry as it is in the log.
func (e *Entry) Encode() []byte {
	w := writer{b: make([]byte, 0, 128+len(e.Value))}
	w.b = append(w.b, version, byte(e.Kind))
	w.text(e.ID)
	w.text(e.Incarnation)
	w.number(e.Newest)
	w.text(e.Key)
	w.bytes(e.Value)
	w.unsigned(uint64(e.Condition))
	w.number(int64(e.Keep))
	w.number(e.Since)
	w.number(int64(e.Elapsed))
	w.text(e.Snapshot)
	w.number(int64(e.Parts))
	if e.Kind == KindPart {
		w.part(&e.Part)
	}
	return w.b
}

// Decode returns the entry of some data, which it keeps.
func Decode(data []byte) (*Entry, error) {
	if len(data) < 2 || data[0] != version {
		return nil, errEntry
	}
	r := reader{b: data[2:]}
	e := &Entry{Kind: Kind(data[1])}
	if e.Kind < KindGenesis || e.Kind > KindEnd {
		return nil, errEntry
	}
	e.ID = r.text()
	e.Incarnation = r.text()
	e.Newest = r.number()
	e.Key = r.text()
	e.Value = r.bytes()
	e.Condition = queue.Revision(r.unsigned())
	e.Keep = time.Duration(r.number())
	e.Since = r.number()
	e.Elapsed = time.Duration(r.number())
	e.Snapshot = r.text()
	e.Parts = int(r.number())
	if e.Kind == KindPart {
		e.Part = r.part()
	}
	if r.bad || len(r.b) > 0 {
		return nil, errEntry
	}
	return e, nil
}

type writer struct{ b []byte }

func (w *writer) unsigned(n uint64) { w.b = binary.AppendUvarint(w.b, n) }
func (w *writer) number(n int64)    { w.b = binary.AppendVarint(w.b, n) }

func (w *writer) text(s string) {
	w.unsigned(uint64(len(s)))
	w.b = append(w.b, s...)
}

func (w *writer) bytes(b []byte) {
	w.unsigned(uint64(len(b)))
	w.b = append(w.b, b...)
}

func (w *writer) part(p *Part) {
	w.text(p.Incarnation)
	w.unsigned(p.Base)
	w.number(int64(p.Clock))
	w.number(p.Ticked)
	w.unsigned(uint64(len(p.Records)))
	for _, k := range p.Records {
		w.text(k.Key)
		w.bytes(k.Value)
		w.unsigned(uint64(k.Revision))
		w.number(int64(k.Keep))
		w.number(int64(k.Since))
	}
}

// reader reads what writer has written. After an error it returns zeros.
type reader struct {
	b   []byte
	bad bool
}

func (r *reader) unsigned() uint64 {
	n, size := binary.Uvarint(r.b)
	if !r.skip(size) {
		return 0
	}
	return n
}

func (r *reader) number() int64 {
	n, size := binary.Varint(r.b)
	if !r.skip(size) {
		return 0
	}
	return n
}

func (r *reader) skip(size int) bool {
	if size <= 0 {
		r.bad, r.b = true, nil
		return false
	}
	r.b = r.b[size:]
	return true
}

func (r *reader) bytes() []byte {
	n := r.unsigned()
	if n > uint64(len(r.b)) {
		r.bad, r.b = true, nil
		return nil
	}
	b := r.b[:n:n]
	r.b = r.b[n:]
	return b
}

func (r *reader) text() string { return string(r.bytes()) }

func (r *reader) part() (p Part) {
	p.Incarnation, p.Base = r.text(), r.unsigned()
	p.Clock, p.Ticked = time.Duration(r.number()), r.number()
	for n := r.unsigned(); n > 0 && !r.bad; n-- {
		p.Records = append(p.Records, Kept{
			Record: queue.Record{Key: r.text(), Value: r.bytes(), Revision: queue.Revision(r.unsigned())},
			Keep:   time.Duration(r.number()), Since: time.Duration(r.number()),
		})
	}
	return p
}
