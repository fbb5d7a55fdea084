package wire_test

import (
	"bytes"
	"fmt"

	"github.com/gentask/gentask/isolate/internal/wire"
)

func Example() {
	var pipe bytes.Buffer
	result := wire.Result{Ending: wire.Returned, Value: []byte("42")}
	_ = wire.NewWriter(&pipe).Write(wire.Frame{Kind: wire.KindResult, Call: 7, Body: result.Append(nil)})

	f, _ := wire.NewReader(&pipe, 1<<20).Next()
	got, err := wire.ResultOf(f.Body)
	fmt.Println(f.Call, string(got.Value), err)
	// Output: 7 42 <nil>
}
