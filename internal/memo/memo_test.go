package memo_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/gentask/gentask/internal/memo"
)

func Example() {
	m := memo.New[string, int](2)
	m.Put("a", 1)
	m.Put("b", 2)
	m.Put("c", 3)
	_, known := m.Get("a")
	c, _ := m.Get("c")
	fmt.Println(known, c)
	// Output: false 3
}

// TestMemo_Model: a memory holds what was put in since the oldest of its names was, and a name that
// was dropped and put in again is as old as the last time. A dropped name may cost the oldest one
// its place.
func TestMemo_Model(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		most := rapid.IntRange(0, 4).Draw(t, "most")
		m := memo.New[int, int](most)
		ring, values := []int(nil), map[int]int{} // the names by place in time; a dropped one is -1
		t.Repeat(map[string]func(*rapid.T){
			"": func(t *rapid.T) {
				require.Equal(t, len(values), m.Len())
				for name := range 8 {
					got, ok := m.Get(name)
					want, known := values[name]
					require.Equal(t, known, ok, "name %d", name)
					require.Equal(t, want, got)
				}
			},
			"put": func(t *rapid.T) {
				name, value := rapid.IntRange(0, 7).Draw(t, "name"), rapid.Int().Draw(t, "value")
				m.Put(name, value)
				if _, known := values[name]; !known {
					if most == 0 {
						return
					}
					if len(ring) == most {
						delete(values, ring[0])
						ring = ring[1:]
					}
					ring = append(ring, name)
				}
				values[name] = value
			},
			"drop": func(t *rapid.T) {
				name := rapid.IntRange(0, 7).Draw(t, "name")
				m.Drop(name)
				delete(values, name)
				if i := slices.Index(ring, name); i >= 0 {
					ring[i] = -1
				}
			},
		})
	})
}
