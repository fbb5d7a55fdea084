package meter

import "fmt"

// The instructions that the package writes or looks at.
const (
	opLoop        = 0x03
	opIf          = 0x04
	opEnd         = 0x0b
	opBrTable     = 0x0e
	opCall        = 0x10
	opSelectTyped = 0x1c
	opGlobalGet   = 0x23
	opGlobalSet   = 0x24
	opMemorySize  = 0x3f
	opMemoryGrow  = 0x40
	opI32Const    = 0x41
	opI64Const    = 0x42
	opF32Const    = 0x43
	opF64Const    = 0x44
	opI32LeS      = 0x4c
	opI32Sub      = 0x6b
	opI32ShrU     = 0x76
	opRefNull     = 0xd0
	opRefIsNull   = 0xd1
	opRefFunc     = 0xd2
	prefixMisc    = 0xfc
	prefixVector  = 0xfd

	emptyBlock = 0x40
)

// code changes all functions, and adds the tick function.
func (m *module) code() error {
	r := &reader{data: m.section[sectionCode]}
	n := uint32(0)
	if r.data != nil {
		n = uint32(r.count())
	}
	out := appendU32(nil, n+1)
	for i := range n {
		body := m.function(&reader{data: r.bytes(int(r.u32()))}, r)
		if r.err != nil {
			return fmt.Errorf("function %d: %w", i, r.err)
		}
		out = append(appendU32(out, uint32(len(body))), body...)
	}
	tick := m.tick()
	m.section[sectionCode] = append(appendU32(out, uint32(len(tick))), tick...)
	return nil
}

// tick is the body of the tick function: it begins a new slice.
func (m *module) tick() []byte {
	body := appendI32([]byte{0, opI32Const}, Slice)
	return append(appendU32(append(body, opGlobalSet), m.globals), opEnd)
}

// function changes a function. It passes an error on to outer.
func (m *module) function(r, outer *reader) []byte {
	f := &function{reader: r, module: m}
	f.locals()
	f.charge(1)
	for !r.done() {
		f.instruction()
	}
	if r.err != nil {
		outer.fail("%w", r.err)
	}
	return f.out
}

// function is one that is being changed.
type function struct {
	*reader
	module *module
	out    []byte
}

// locals copies the declaration of the local variables.
func (f *function) locals() {
	total := uint64(0)
	for range f.count() {
		total += uint64(f.u32())
		if kind := f.byte(); !valueType(kind) {
			f.fail("%#x is not the type of a variable", kind)
		}
	}
	if total > maxLocals {
		f.fail("it has %d variables; want at most %d", total, maxLocals)
	}
	f.out = append(f.out, f.data[:f.at]...)
}

// valueType reports whether b is a type of a value.
func valueType(b byte) bool { return (b >= 0x7b && b <= typeI32) || b == funcRef || b == externRef }

func (f *function) write(op byte, index uint32) { f.out = appendU32(append(f.out, op), index) }

// charge takes units from the slice.
func (f *function) charge(units byte) {
	f.write(opGlobalGet, f.module.globals)
	f.out = append(f.out, opI32Const, units, opI32Sub)
	f.settle()
}

// chargeOperand takes as many units as the operand on top of the stack has times two to the power
// of shift.
func (f *function) chargeOperand(shift byte) {
	operand := f.module.globals + 1
	f.write(opGlobalSet, operand)
	f.write(opGlobalGet, f.module.globals)
	f.write(opGlobalGet, operand)
	f.out = append(f.out, opI32Const, shift, opI32ShrU, opI32Sub)
	f.settle()
	f.write(opGlobalGet, operand)
}

// settle sets the slice to the number on top of the stack, and calls tick if nothing is left.
func (f *function) settle() {
	left := f.module.globals
	f.write(opGlobalSet, left)
	f.write(opGlobalGet, left)
	f.out = append(f.out, opI32Const, 0, opI32LeS, opIf, emptyBlock)
	f.write(opGlobalGet, left)
	f.write(opCall, f.module.functions)
	f.out = append(f.out, opEnd)
}

// instruction copies an instruction, with what counts it.
func (f *function) instruction() {
	start := f.at
	op := f.byte()
	switch op {
	case prefixMisc:
		f.misc(start)
		return
	case prefixVector:
		f.vector()
	default:
		f.immediate(op)
	}
	if f.err != nil {
		return
	}
	f.out = append(f.out, f.data[start:f.at]...)
	if op == opLoop {
		f.charge(1)
	}
}

// immediate skips what follows an instruction of one byte.
func (f *function) immediate(op byte) {
	switch {
	case op >= 0x02 && op <= opIf: // block, loop, if
		f.blockType()
	case op == 0x0c || op == 0x0d: // br, br_if
		f.u32()
	case op == opBrTable:
		for range f.count() + 1 {
			f.u32()
		}
	case op == opCall, op == opRefFunc:
		f.index("function", f.module.functions)
	case op == 0x11: // call_indirect
		f.u32()
		f.u32()
	case op == opSelectTyped:
		if n, kind := f.byte(), f.byte(); n != 1 || !valueType(kind) {
			f.fail("a select has %d types, or a bad one", n)
		}
	case op >= 0x20 && op <= 0x22, op == 0x25, op == 0x26: // variables, table.get, table.set
		f.u32()
	case op == opGlobalGet, op == opGlobalSet:
		f.index("global", f.module.globals)
	case op >= 0x28 && op <= 0x3e: // loads and stores
		f.u32()
		f.u32()
	case op == opMemorySize, op == opMemoryGrow:
		f.zero()
	case op == opI32Const:
		f.skip(5)
	case op == opI64Const:
		f.skip(10)
	case op == opF32Const:
		f.bytes(4)
	case op == opF64Const:
		f.bytes(8)
	case op == opRefNull:
		if kind := f.byte(); kind != funcRef && kind != externRef {
			f.fail("%#x is not the type of a reference", kind)
		}
	case op <= 0x01, op == 0x05, op == opEnd, op == 0x0f, op == 0x1a, op == 0x1b, // control, drop, select
		op >= 0x45 && op <= 0xc4, op == opRefIsNull: // numbers
	default:
		f.fail("instruction %#x is not one of WebAssembly 2.0", op)
	}
}

// index reads an index of something that the module had before.
func (f *function) index(what string, n uint32) {
	if i := f.u32(); i >= n {
		f.fail("there is no %s %d", what, i)
	}
}

// zero reads the index of the only memory.
func (f *function) zero() {
	if b := f.byte(); b != 0 {
		f.fail("there is no memory %d", b)
	}
}

// blockType reads a type of a value, none, or an index of a type, which is not negative.
func (f *function) blockType() {
	if b := f.byte(); b == emptyBlock || valueType(b) {
		return
	}
	f.at--
	if f.u32(); f.err == nil && f.data[f.at-1]&0x40 != 0 { // the sign
		f.fail("a block has a type that is not one of WebAssembly 2.0")
	}
}

// The shifts of bulk instructions: 64 bytes, and eight references, for a unit.
const (
	shiftMemory = 6
	shiftTable  = 3
)

// misc copies an instruction with the prefix of truncations and bulk instructions.
func (f *function) misc(start int) {
	op := f.u32()
	shift := byte(0)
	switch op {
	case 0, 1, 2, 3, 4, 5, 6, 7: // truncations
	case 8: // memory.init
		f.u32()
		f.zero()
		shift = shiftMemory
	case 10: // memory.copy
		f.zero()
		f.zero()
		shift = shiftMemory
	case 11: // memory.fill
		f.zero()
		shift = shiftMemory
	case 12, 14: // table.init, table.copy
		f.u32()
		f.u32()
		shift = shiftTable
	case 15, 17: // table.grow, table.fill
		f.u32()
		shift = shiftTable
	case 9, 13, 16: // data.drop, elem.drop, table.size
		f.u32()
	default:
		f.fail("instruction 0xfc %d is not one of WebAssembly 2.0", op)
	}
	if f.err != nil {
		return
	}
	if shift > 0 {
		f.chargeOperand(shift)
	}
	f.out = append(f.out, f.data[start:f.at]...)
}

// vector skips the rest of a vector instruction. Runtimes read its number as one byte, and the
// second byte of a larger one as a nop. So it must be written in the shortest way.
func (f *function) vector() {
	start := f.at
	op := f.u32()
	if op > 0xff || f.at-start != len(appendU32(nil, op)) {
		f.fail("vector instruction %#x is not one of WebAssembly 2.0", op)
	}
	switch {
	case op <= 0x0b, op == 0x5c, op == 0x5d: // loads and stores
		f.u32()
		f.u32()
	case op == 0x0c, op == 0x0d: // v128.const, i8x16.shuffle
		f.bytes(16)
	case op >= 0x15 && op <= 0x22: // lanes
		f.byte()
	case op >= 0x54 && op <= 0x5b: // loads and stores of lanes
		f.u32()
		f.u32()
		f.byte()
	}
}
