// Package meter changes a WebAssembly module so that its work is counted, and that it can be
// stopped. Each call of a function and each turn of a loop takes one unit of fuel. The bulk
// instructions, which fill and copy memory and tables, take more by the amount. When a slice of
// [Slice] units is used up, the module calls a function that the package has added, on which the
// host listens: see [Result.Tick].
//
// The result of a function does not change. The package does not validate a module. A runtime that
// does must compile the result. It reads WebAssembly 2.0, and refuses anything else, because code
// that it can't read could loop without being counted.
package meter
