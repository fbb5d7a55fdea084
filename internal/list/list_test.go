package list_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/gentask/gentask/internal/list"
)

type element struct {
	name  string
	links list.Links[element]
}

func linksOf(e *element) *list.Links[element] { return &e.links }

func Example() {
	l := list.New(linksOf)
	a, b, c := &element{name: "a"}, &element{name: "b"}, &element{name: "c"}
	l.Push(a)
	l.Push(c)
	l.InsertAfter(a, b)
	l.Remove(a)
	for e := range l.All() {
		fmt.Print(e.name)
	}
	fmt.Println(l.Len(), l.Has(a), l.Has(b))
	// Output: bc2 false true
}

// model is a list beside a slice.
type model struct {
	real list.List[element]
	want []*element
	made int
}

func (m *model) fresh() *element {
	m.made++
	return &element{name: fmt.Sprint(m.made)}
}

// one returns the index of some element, or -1.
func (m *model) one(t *rapid.T) int {
	return rapid.IntRange(-1, len(m.want)-1).Draw(t, "at")
}

func (m *model) push(*rapid.T) {
	e := m.fresh()
	m.real.Push(e)
	m.want = append(m.want, e)
}

func (m *model) insert(t *rapid.T) {
	e, i := m.fresh(), m.one(t)
	var at *element
	if i >= 0 {
		at = m.want[i]
	}
	m.real.InsertAfter(at, e)
	m.want = slices.Insert(m.want, i+1, e)
}

func (m *model) remove(t *rapid.T) {
	i := m.one(t)
	if i < 0 {
		m.real.Remove(m.fresh()) // no element of the list
		return
	}
	m.real.Remove(m.want[i])
	require.False(t, m.real.Has(m.want[i]))
	m.want = slices.Delete(m.want, i, i+1)
}

func (m *model) replace(t *rapid.T) {
	if i := m.one(t); i >= 0 {
		e := m.fresh()
		m.real.Replace(m.want[i], e)
		require.False(t, m.real.Has(m.want[i]))
		m.want[i] = e
	}
}

func (m *model) check(t *rapid.T) {
	require.Equal(t, len(m.want), m.real.Len())
	require.True(t, slices.Equal(m.want, m.real.Slice()))
	var back []*element
	for e := m.real.Last(); e != nil; e = m.real.Prev(e) {
		require.True(t, m.real.Has(e))
		back = append(back, e)
	}
	for _, e := range m.want {
		require.True(t, m.real.ContainsFunc(func(x *element) bool { return x == e }))
	}
	require.False(t, m.real.ContainsFunc(func(x *element) bool { return !m.real.Has(x) }))
	slices.Reverse(back)
	require.True(t, slices.Equal(m.want, back))
}

// TestList_Model: a list is what a slice would be, from both ends.
func TestList_Model(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := &model{real: list.New(linksOf)}
		t.Repeat(map[string]func(*rapid.T){
			"": m.check, "push": m.push, "insert": m.insert, "remove": m.remove, "replace": m.replace,
		})
	})
}

// TestList_RemoveInALoop: a loop may take out the element that it is at.
func TestList_RemoveInALoop(t *testing.T) {
	l := list.New(linksOf)
	for range 3 {
		l.Push(&element{})
	}
	seen := 0
	for e := range l.All() {
		l.Remove(e)
		seen++
	}
	require.Equal(t, 3, seen)
	require.Zero(t, l.Len())
}
