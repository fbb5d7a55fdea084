package replica

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/gentask/gentask/queue"
)

// world is a log that some programs write and read. The broker drops what is before the begin of
// whole snapshots, and may lose the end.
type world struct {
	t       *rapid.T
	log     []*Entry
	dropped int // entries at the begin that are not there any more
	states  []*State
	readers []*program
	ids     int
}

// program is a reader, which may write a snapshot.
type program struct {
	*Follower
	parts    []Part // that are to be written; nil for none
	snapshot string
	written  int
}

func (w *world) id() string {
	w.ids++
	return fmt.Sprint("e", w.ids)
}

// write appends an entry as a program sends it, and applies it to the state of an observer who has
// read everything.
func (w *world) write(p *program, e *Entry) *Entry {
	e.ID = w.id()
	e.Newest = p.Newest()
	if s := p.State(); s != nil && e.Kind != KindGenesis {
		e.Incarnation = s.Incarnation()
	}
	decoded, err := Decode(e.Encode())
	require.NoError(w.t, err)
	w.log = append(w.log, decoded)
	now := NewState()
	if n := len(w.states); n > 0 {
		now = w.states[n-1].clone()
	}
	now.Apply(int64(len(w.log)-1), decoded)
	w.states = append(w.states, now)
	return decoded
}

func (s *State) clone() *State {
	other := *s
	other.records = maps.Clone(s.records)
	return &other
}

// read makes a program read the next entry, and compares its state with that of the observer.
func (w *world) read(p *program) bool {
	at := w.place(p)
	if at >= int64(len(w.log)) {
		return false
	}
	e := w.log[at]
	applied := p.Read(at, e, 1)
	if p.State() != nil {
		require.Equal(w.t, w.states[at], p.State(), "at %d", at)
		require.NotEmpty(w.t, applied)
		last := applied[len(applied)-1]
		require.Equal(w.t, e, last.Entry)
	}
	if e.Kind == KindBegin && e.ID == p.snapshot && p.State() != nil {
		p.parts = p.State().Parts(150)
	}
	return true
}

// place returns the next offset of a program: a new one begins at a snapshot that the last entries
// name, or at the first that is there.
func (w *world) place(p *program) int64 {
	if p.Started() {
		last, _ := p.Last()
		return last + 1
	}
	newest := Unknown
	for i := len(w.log) - 1; i >= w.dropped && newest == Unknown; i-- {
		newest = w.log[i].Newest
	}
	return max(newest, int64(w.dropped), 0)
}

// drop drops the begin of the log, up to a snapshot that is whole.
func (w *world) drop() {
	most := int64(0)
	for _, p := range w.readers {
		most = max(most, p.Newest())
	}
	if most > int64(w.dropped) {
		w.dropped = rapid.IntRange(w.dropped, int(most)).Draw(w.t, "dropped")
	}
}

func (w *world) put(p *program) {
	key := rapid.SampledFrom([]string{"a", "a.b", "ab", "b"}).Draw(w.t, "key")
	condition := rapid.SampledFrom([]queue.Revision{queue.Absent, queue.Always}).Draw(w.t, "condition")
	if s := p.State(); s != nil && rapid.Bool().Draw(w.t, "cas") {
		k, _ := s.Get(key)
		condition = k.Revision
	}
	kind := rapid.SampledFrom([]Kind{KindPut, KindPut, KindPut, KindDelete, KindClear, KindBeat}).Draw(w.t, "kind")
	e := &Entry{Kind: kind, Key: key, Condition: condition, Value: []byte(fmt.Sprint(w.ids)), Keep: time.Second}
	if s := p.State(); s != nil && kind == KindBeat {
		e.Since, e.Elapsed = s.Ticked(), time.Millisecond
	}
	w.write(p, e)
}

// snap does the next step of a program's snapshot, or leaves it where it is, as one that has died.
func (w *world) snap(p *program) {
	switch {
	case p.State() == nil:
	case p.parts == nil || rapid.IntRange(0, 9).Draw(w.t, "dies") == 0:
		p.parts, p.written = nil, 0
		p.snapshot = w.write(p, &Entry{Kind: KindBegin}).ID
	case p.written < len(p.parts):
		w.write(p, &Entry{Kind: KindPart, Snapshot: p.snapshot, Part: p.parts[p.written]})
		p.written++
	default:
		w.write(p, &Entry{Kind: KindEnd, Snapshot: p.snapshot, Parts: len(p.parts)})
		p.parts = nil
	}
}

// step does one thing.
func (w *world) step() {
	p := w.readers[rapid.IntRange(0, len(w.readers)-1).Draw(w.t, "program")]
	switch rapid.IntRange(0, 9).Draw(w.t, "step") {
	case 0, 1:
		w.put(p)
	case 2, 3, 4:
		w.snap(p)
	case 5, 6, 7:
		for range rapid.IntRange(1, 8).Draw(w.t, "reads") {
			w.read(p)
		}
	case 8:
		w.drop()
	case 9:
		if rapid.Bool().Draw(w.t, "genesis") {
			w.write(p, &Entry{Kind: KindGenesis, Since: int64(1000 + w.ids)})
		} else { // a new program, also in the place of one that reads too slowly
			w.readers[slices.Index(w.readers, p)] = &program{Follower: NewFollower()}
		}
	}
	for _, p := range w.readers {
		if p.Started() && w.place(p) < int64(w.dropped) {
			w.readers[slices.Index(w.readers, p)] = &program{Follower: NewFollower()}
		}
	}
}

// TestModel: whatever programs do, and wherever they begin to read, each has the state that an
// observer has who has read all entries, as soon as it has one; and it has one at the end of the
// log.
func TestModel(t *testing.T) {
	restored := 0
	rapid.Check(t, func(t *rapid.T) {
		w := &world{t: t}
		for range 3 {
			w.readers = append(w.readers, &program{Follower: NewFollower()})
		}
		w.write(w.readers[0], &Entry{Kind: KindGenesis, Since: 1000})
		for range rapid.IntRange(1, 150).Draw(t, "steps") {
			w.step()
		}
		newcomer := &program{Follower: NewFollower()}
		for _, p := range append(w.readers, newcomer) {
			for w.read(p) {
			}
			require.NotNil(t, p.State(), "no state at the end of a log from %d to %d", w.dropped, len(w.log))
		}
		if w.dropped > 0 {
			restored++
		}
	})
	t.Log("logs whose begin was dropped:", restored)
}

// TestRenew: after the end of a log was lost, revisions are larger than any that was read before.
func TestRenew(t *testing.T) {
	f := NewFollower()
	f.Read(0, &Entry{Kind: KindGenesis, ID: "one", Since: 1000}, 1)
	put := func(offset int64, incarnation string) queue.Revision {
		got := f.Read(offset, &Entry{Kind: KindPut, Incarnation: incarnation, Key: "k", Condition: queue.Always}, 1)
		require.NoError(t, got[0].Err)
		return got[0].Revision
	}
	put(1, "one")
	lost := NewFollower() // has read more than there is
	lost.Read(0, &Entry{Kind: KindGenesis, ID: "one", Since: 1000}, 1)
	last := lost.Read(40, &Entry{Kind: KindPut, Incarnation: "one", Key: "k", Condition: queue.Always}, 1)[0].Revision
	got := f.Read(2, &Entry{Kind: KindRenew, ID: "two", Incarnation: "one", Since: 41}, 1)
	require.True(t, got[0].Renewed)
	require.Equal(t, "two", f.State().Incarnation())
	require.ErrorIs(t, f.Read(3, &Entry{Kind: KindClear, Incarnation: "one"}, 1)[0].Err, ErrOther)
	require.Greater(t, put(4, "two"), last)
}

// TestFull: a store takes no more than it has room for, and a smaller record instead.
func TestFull(t *testing.T) {
	s := NewState()
	s.Apply(0, &Entry{Kind: KindGenesis, ID: "one", Since: 1000})
	put := func(offset int64, key string, size int) error {
		return s.Apply(offset, &Entry{
			Kind: KindPut, Incarnation: "one", Key: key, Value: make([]byte, size), Condition: queue.Always,
		}).Err
	}
	require.NoError(t, put(1, "a", MaxSize/2))
	require.ErrorIs(t, put(2, "b", MaxSize/2), queue.ErrTooLarge)
	require.NoError(t, put(3, "a", 1))
	require.NoError(t, put(4, "b", MaxSize/2))
	s.Apply(5, &Entry{Kind: KindClear, Incarnation: "one"})
	require.Zero(t, s.Size())
}

// FuzzDecode: any data is an entry or an error, and an entry is the same again.
func FuzzDecode(f *testing.F) {
	f.Add((&Entry{Kind: KindPut, ID: "x", Key: "k", Value: []byte("v"), Keep: 5}).Encode())
	f.Add((&Entry{Kind: KindPart, Part: Part{Records: []Kept{{Keep: 1}}}}).Encode())
	f.Fuzz(func(t *testing.T, data []byte) {
		e, err := Decode(data)
		if err != nil {
			return
		}
		again, err := Decode(e.Encode())
		require.NoError(t, err)
		require.Equal(t, e.Encode(), again.Encode())
	})
}
