package wasm_test

// A small assembler, for modules that no compiler would make.

// The functions that each module imports, by their index.
const (
	procExit = iota
	fdRenumber
	randomGet
	fdRead
	fdWrite
	pollOneoff
	sockAccept
	startFunction // the first of the module's own
	nextFunction
)

// The types of functions.
const (
	nothing  = iota // no parameters, no results
	exits           // i32
	takesTwo        // two i32, and an i32 as result
	takesThree
	takesFour
)

// Instructions.
const (
	unreachable = 0x00
	loop        = 0x03
	end         = 0x0b
	br          = 0x0c
	brIf        = 0x0d
	ret         = 0x0f
	call        = 0x10
	drop        = 0x1a
	localGet    = 0x20
	localSet    = 0x21
	globalSet   = 0x24
	load        = 0x28
	store       = 0x36
	divide      = 0x6d
	empty       = 0x40
)

var (
	memoryGrow = []byte{0x40, 0}
	memoryFill = []byte{0xfc, 11, 0}
	memoryCopy = []byte{0xfc, 10, 0, 0}
	tableGrow  = []byte{0xfc, 15, 0}
	tableFill  = []byte{0xfc, 17, 0}
	nullFunc   = []byte{0xd0, 0x70}
	indirect   = []byte{0x11, nothing, 0}
	truncate   = []byte{0xa8} // i32.trunc_f32_s
	nan        = []byte{0x43, 0, 0, 0xc0, 0x7f}
	readI32    = []byte{load, 2, 0}
	writeI32   = []byte{store, 2, 0}
)

// number is an i32.const.
func number(value int32) []byte {
	out := []byte{0x41}
	for {
		b := byte(value & 0x7f)
		value >>= 7
		if (value == 0 && b&0x40 == 0) || (value == -1 && b&0x40 != 0) {
			return append(out, b)
		}
		out = append(out, b|0x80)
	}
}

// code joins instructions: bytes, and slices of them.
func code(parts ...any) []byte {
	var out []byte
	for _, p := range parts {
		switch p := p.(type) {
		case int:
			out = append(out, byte(p))
		case []byte:
			out = append(out, p...)
		}
	}
	return out
}

// forever repeats code.
func forever(parts ...any) []byte {
	return code(loop, empty, code(parts...), br, 0, end)
}

func size(n int) []byte {
	out := []byte{}
	for ; n >= 0x80; n >>= 7 {
		out = append(out, byte(n)|0x80)
	}
	return append(out, byte(n))
}

func sized(content []byte) []byte { return append(size(len(content)), content...) }

func list(items ...[]byte) []byte { return append(size(len(items)), code(anys(items)...)...) }

func anys(items [][]byte) []any {
	var out []any
	for _, item := range items {
		out = append(out, item)
	}
	return out
}

func section(id int, content []byte) []byte { return append([]byte{byte(id)}, sized(content)...) }

// body is a function with four variables.
func body(instructions []byte) []byte {
	return sized(code([]byte{1, 4, 0x7f}, instructions, end))
}

// pages is how much memory a module has from the start, and largest how much it may have.
const (
	pages   = 16
	largest = 1 << 15
)

// module returns a command with functions of no parameters, the first of which is _start, and what
// its data begins with.
func module(start []byte, more ...[]byte) []byte {
	const i32 = 0x7f
	imports := [][]byte{}
	for i, kind := range []byte{exits, takesTwo, takesTwo, takesFour, takesFour, takesFour, takesThree} {
		name := []string{"proc_exit", "fd_renumber", "random_get", "fd_read", "fd_write", "poll_oneoff", "sock_accept"}[i]
		imports = append(imports, code(sized([]byte("wasi_snapshot_preview1")), sized([]byte(name)), 0, int(kind)))
	}
	kinds, bodies := [][]byte{{nothing}}, [][]byte{body(start)}
	for _, f := range more {
		kinds, bodies = append(kinds, []byte{nothing}), append(bodies, body(f))
	}
	return code([]byte("\x00asm\x01\x00\x00\x00"),
		section(1, list([]byte{0x60, 0, 0}, []byte{0x60, 1, i32, 0}, []byte{0x60, 2, i32, i32, 1, i32},
			[]byte{0x60, 3, i32, i32, i32, 1, i32}, []byte{0x60, 4, i32, i32, i32, i32, 1, i32})),
		section(2, list(imports...)),
		section(3, list(kinds...)),
		section(4, list([]byte{0x70, 0, 1})), // a table without a limit
		section(5, list(code(1, size(pages), size(largest)))),
		section(7, list(code(sized([]byte("_start")), 0, startFunction), code(sized([]byte("memory")), 2, 0))),
		section(10, list(bodies...)),
	)
}

// exitWith ends the guest with the number on top of the stack.
var exitWith = []byte{call, procExit}

// vector writes where data is, and how much, as fd_read and fd_write take it.
func vector(at, data, length int32) []byte {
	return code(number(at), number(data), writeI32, number(at+4), number(length), writeI32)
}

// echo writes what it reads.
var echo = module(forever(
	vector(0, 64, 65536),
	number(0), number(0), number(1), number(8), call, fdRead, drop,
	number(8), readI32, 0x45, 0x04, empty, ret, end, // nothing is left
	number(16), number(64), writeI32, number(20), number(8), readI32, writeI32,
	number(1), number(16), number(1), number(24), call, fdWrite, drop,
))
