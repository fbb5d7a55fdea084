package guard

import (
	"fmt"
	"reflect"
	"runtime"
	"strings"
	"unicode/utf8"
)

// Text returns a panic value as text, cut to 16 KiB. It returns the type of v instead if a method
// of v panics or exits its goroutine. It does so, too, if v is too large, refers to itself, or
// holds a map.
//
// Text calls methods of v on a goroutine of its own and waits for it: a method that blocks, blocks
// Text.
func Text(v any) string {
	switch v := v.(type) {
	case nil:
		return "<nil>"
	case string:
		return cut(v)
	case bool, int, int8, int16, int32, int64, uint, uint8, uint16, uint32, uint64, uintptr, float32, float64:
		return fmt.Sprint(v)
	case runtime.Error:
		if ofRuntime(v) {
			return cut(v.Error())
		}
	}
	if _, isError := v.(error); !isError && !small(reflect.ValueOf(v), new(int), 0) {
		return fmt.Sprintf("a value of type %T", v)
	}
	text := fmt.Sprintf("a value of type %T, whose methods do not return its text", v)
	Aside(func() { text = cut(fmt.Sprint(v)) })
	return text
}

// Aside runs f on a goroutine of its own and waits for its end. It returns when f has returned,
// panicked or called runtime.Goexit.
func Aside(f func()) {
	over := make(chan struct{})
	go func() {
		defer close(over)
		defer func() { _ = recover() }() // a panic of f is lost, as documented
		f()
	}()
	<-over
}

const (
	smallDepth = 16
	smallCount = 1000
)

// small reports whether package fmt prints v without running out of stack.
func small(v reflect.Value, count *int, depth int) bool {
	*count++
	if *count > smallCount || depth > smallDepth {
		return false
	}
	switch v.Kind() { //nolint:exhaustive // the rest has nothing in it
	case reflect.Interface:
		return v.IsNil() || small(v.Elem(), count, depth+1)
	case reflect.Pointer: // fmt prints the address of one that is not the outermost
		return depth > 0 || v.IsNil() || small(v.Elem(), count, depth+1)
	case reflect.Slice, reflect.Array:
		return allSmall(v.Len(), v.Index, count, depth)
	case reflect.Struct:
		return allSmall(v.NumField(), v.Field, count, depth)
	case reflect.Map: // another goroutine may write to it, which nothing recovers from
		return v.Len() == 0
	default:
		return true
	}
}

func allSmall(n int, of func(int) reflect.Value, count *int, depth int) bool {
	if *count+n > smallCount {
		return false
	}
	for i := range n {
		if !small(of(i), count, depth+1) {
			return false
		}
	}
	return true
}

// ofRuntime reports whether err is an error of the runtime itself, whose methods are harmless.
func ofRuntime(err runtime.Error) bool {
	t := reflect.TypeOf(err)
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t.PkgPath() == "runtime"
}

// attempt calls f. For a panic it returns the text of that as fault, which is then not empty.
func attempt(f func() string) (text, fault string) {
	defer func() {
		if v := recover(); v != nil {
			text, fault = "", "panic: "+panicText(v)
		}
	}()
	return f(), ""
}

// panicText returns the text of a panic in a method that was called for a text. It calls no method
// of v, except those of the runtime.
func panicText(v any) string {
	switch v := v.(type) {
	case string:
		return cut(v)
	case runtime.Error:
		if ofRuntime(v) {
			return cut(v.Error())
		}
	}
	return fmt.Sprintf("a value of type %T", v)
}

// cut bounds a text, at the end of a character.
func cut(text string) string {
	if len(text) <= maxText {
		return text
	}
	end := maxText
	for end > maxText-utf8.UTFMax && !utf8.RuneStart(text[end]) {
		end--
	}
	return strings.Clone(text[:end]) + "..."
}
