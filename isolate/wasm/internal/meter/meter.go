package meter

import (
	"bytes"
	"errors"
	"fmt"
)

// Slice is how many units of fuel a module uses between two calls of its tick function.
const Slice = 1 << 14

// Limits of what a module may contain.
const (
	maxTables     = 16
	maxReferences = 1 << 20 // in all tables together
	maxLocals     = 50_000  // in a function
)

// Result is a module that counts.
type Result struct {
	// Module is its binary format.
	Module []byte

	// Tick is the index of the function that is called when a slice is used up, among all
	// functions. Its parameter is an i32: what is left of the slice, which is zero or less. Code of
	// the module can call it as well, with any parameter.
	Tick uint32

	// MinMemory is how many bytes of memory the module has from the start.
	MinMemory uint64
}

// The sections of a module.
const (
	sectionCustom = iota
	sectionType
	sectionImport
	sectionFunction
	sectionTable
	sectionMemory
	sectionGlobal
	sectionExport
	sectionStart
	sectionElement
	sectionCode
	sectionData
	sectionDataCount
	sections
)

// order is the one in which sections stand.
var order = [...]byte{
	sectionType, sectionImport, sectionFunction, sectionTable, sectionMemory, sectionGlobal, sectionExport,
	sectionStart, sectionElement, sectionDataCount, sectionCode, sectionData,
}

var header = []byte("\x00asm\x01\x00\x00\x00")

// Meter returns a module that does the same and counts. The error names what is wrong with it.
func Meter(module []byte) (Result, error) {
	m, err := parse(module)
	if err != nil {
		return Result{}, err
	}
	for _, step := range []func() error{m.imports, m.tables, m.memory, m.addType, m.addFunction, m.addGlobals, m.code} {
		if err := step(); err != nil {
			return Result{}, err
		}
	}
	return Result{Module: m.bytes(), Tick: m.functions, MinMemory: m.minMemory}, nil
}

// module is one that is being changed.
type module struct {
	section [sections][]byte // nil if there is none
	names   []byte           // the custom section with the names of functions

	tickType  uint32 // the index of the type of the tick function
	functions uint32 // how many there were, which is the index of the tick function
	globals   uint32 // how many there were
	minMemory uint64
}

// parse splits a module into sections.
func parse(data []byte) (*module, error) {
	if !bytes.HasPrefix(data, header) {
		return nil, errors.New("it is no WebAssembly module of version 1")
	}
	m := &module{}
	r := &reader{data: data, at: len(header)}
	last := -1
	for !r.done() {
		id := r.byte()
		content := r.bytes(int(r.u32()))
		if r.err != nil {
			break
		}
		if id == sectionCustom {
			if err := m.custom(content); err != nil {
				return nil, err
			}
			continue
		}
		place := bytes.IndexByte(order[:], id)
		if place <= last {
			return nil, fmt.Errorf("section %d is unknown, or not where it should be", id)
		}
		last = place
		m.section[id] = content
	}
	return m, r.err
}

// custom keeps a section with names, and drops others.
func (m *module) custom(content []byte) error {
	r := &reader{data: content}
	if name := r.bytes(r.count()); m.names == nil && string(name) == "name" {
		m.names = content
	}
	if r.err != nil {
		return fmt.Errorf("a custom section: %w", r.err)
	}
	return nil
}

// bytes returns the binary format.
func (m *module) bytes() []byte {
	out := bytes.Clone(header)
	add := func(id byte, content []byte) {
		if content != nil {
			out = append(appendU32(append(out, id), uint32(len(content))), content...)
		}
	}
	for _, id := range order {
		add(id, m.section[id])
	}
	add(sectionCustom, m.names)
	return out
}

// each reads a section that is a list, and calls f for each item.
func (m *module) each(id byte, what string, f func(r *reader)) error {
	if m.section[id] == nil {
		return nil
	}
	r := &reader{data: m.section[id]}
	for range r.count() {
		f(r)
	}
	if r.err == nil && !r.done() {
		r.fail("it has bytes after its end")
	}
	if r.err != nil {
		return fmt.Errorf("%s: %w", what, r.err)
	}
	return nil
}

// extend adds items to a section that is a list, and returns how many it had.
func (m *module) extend(id byte, items ...[]byte) (before uint32, err error) {
	r := &reader{data: m.section[id]}
	if m.section[id] != nil {
		before = uint32(r.count())
	}
	rest := r.data[r.at:]
	out := append(appendU32(nil, before+uint32(len(items))), rest...)
	for _, item := range items {
		out = append(out, item...)
	}
	m.section[id] = out
	return before, r.err
}

// imports counts the imported functions. Nothing else may be imported.
func (m *module) imports() error {
	return m.each(sectionImport, "the imports", func(r *reader) {
		from := string(r.bytes(r.count()))
		name := string(r.bytes(r.count()))
		if kind := r.byte(); kind != 0 && r.err == nil {
			r.fail("%q of %q is no function; want nothing but functions", name, from)
		}
		r.u32()
		m.functions++
	})
}

const (
	funcRef   = 0x70
	externRef = 0x6f
)

// limits reads the size of a memory or a table. A size without a limit has the largest one.
func (r *reader) limits() (least, most uint32) {
	most = 1<<32 - 1
	switch flags := r.byte(); flags {
	case 0:
		least = r.u32()
	case 1:
		least, most = r.u32(), r.u32()
	default:
		r.fail("%#x are limits that it can't have", flags)
	}
	return least, most
}

// tables bounds the tables.
func (m *module) tables() error {
	var out []byte
	n, total := 0, uint32(0)
	if m.section[sectionTable] != nil {
		n = (&reader{data: m.section[sectionTable]}).count()
	}
	err := m.each(sectionTable, "the tables", func(r *reader) {
		kind := r.byte()
		if kind != funcRef && kind != externRef {
			r.fail("%#x is not the type of a table", kind)
		}
		least, most := r.limits()
		if least > maxReferences-total || n > maxTables {
			r.fail("they are too large; want at most %d, and %d references in all", maxTables, maxReferences)
			return
		}
		total += least
		most = max(least, min(most, uint32(maxReferences/n)))
		out = appendU32(appendU32(append(out, kind, 1), least), most)
	})
	if n > 0 && err == nil {
		m.section[sectionTable] = append(appendU32(nil, uint32(n)), out...)
	}
	return err
}

// memory notes how large the memory is from the start.
func (m *module) memory() error {
	const page = 64 << 10
	return m.each(sectionMemory, "the memory", func(r *reader) {
		least, _ := r.limits()
		m.minMemory += uint64(least) * page
	})
}

const (
	typeFunction = 0x60
	typeI32      = 0x7f
)

func (m *module) addType() (err error) {
	m.tickType, err = m.extend(sectionType, []byte{typeFunction, 1, typeI32, 0})
	return err
}

func (m *module) addFunction() error {
	n, err := m.extend(sectionFunction, appendU32(nil, m.tickType))
	m.functions += n
	return err
}

// addGlobals adds what is left of the slice, and a place for one operand.
func (m *module) addGlobals() (err error) {
	slice := append(appendI32([]byte{typeI32, 1, opI32Const}, Slice), opEnd)
	m.globals, err = m.extend(sectionGlobal, slice, []byte{typeI32, 1, opI32Const, 0, opEnd})
	return err
}
