package gentask_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/gentasktest"
	"github.com/gentask/gentask/queue"
)

// A job of a strict consumer is exactly its payload, or it is dead-lettered.
func ExampleStrictJSON() {
	type transfer struct {
		To     string
		Amount any
	}
	for _, body := range []string{`{"To":"ann","Amount":9007199254740993}`, `null`, `{"To":"ann","Amout":7}`} {
		var t transfer
		if err := gentask.StrictJSON(&queue.Message{Body: []byte(body)}, &t); err != nil {
			fmt.Println(err)
			continue
		}
		fmt.Println(t.To, t.Amount)
	}
	_ = gentask.Config{Decode: gentask.StrictJSON}
	// Output:
	// ann 9007199254740993
	// gentask: payload is null, want a value
	// json: unknown field "Amout"
}

// order is a payload for decoders.
type strictOrder struct {
	ID    int
	Note  *string
	Extra any
	Inner *strictOrder
}

const mark = "\xef\xbb\xbf"

// TestStrictJSON takes what is exactly a value, and refuses the rest.
func TestStrictJSON(t *testing.T) {
	for body, want := range map[string]string{
		`{"ID":1}`:             "",
		mark + `{"ID":1}`:      "",
		" \n{\"ID\":1}\r\n\t ": "",
		`{"ID":1,"Note":null,"Extra":[{"a":1},{"a":2}]}`: "",
		`{"ID":1,"Inner":{"ID":2,"Inner":{"ID":3}}}`:     "",
		`{"Extra":{"a":"a","b":["a","a",{"a":{}}]}}`:     "",
		`{"Extra":"}"}`:                          "",
		`null`:                                   "null",
		mark + " null ":                          "null",
		`{"ID":1,"Id2":2}`:                       "unknown field",
		`{"ID":1,"Inner":{"X":2}}`:               "unknown field",
		`{"ID":1,"ID":2}`:                        `"ID" twice`,
		`{"Extra":{"a":[{"b":1,"c":{},"b":2}]}}`: `"b" twice`,
		`{"Extra":{"\u0061":1,"a":2}}`:           `"a" twice`,
		`{"ID":1} {"ID":2}`:                      "behind its value",
		`{"ID":1}x`:                              "behind its value",
		`{"ID":1}]`:                              "behind its value",
		"{\"Extra\":\"\xff\"}":                   "UTF-8",
		``:                                       "EOF",
		mark:                                     "EOF",
		`{"ID":1`:                                "EOF",
		`{"ID":"1"}`:                             "cannot unmarshal",
		`[]`:                                     "cannot unmarshal",
		strings.Repeat("[", 20000):               "depth",
	} {
		err := gentask.StrictJSON(&queue.Message{Body: []byte(body)}, new(strictOrder))
		if want == "" {
			require.NoError(t, err, body)
			continue
		}
		require.ErrorContains(t, err, want, "%.50s", body)
	}
}

// TestNumbersKeepTheirDigits where an any takes them.
func TestNumbersKeepTheirDigits(t *testing.T) {
	msg := &queue.Message{Body: []byte(`{"id":9007199254740993,"list":[1e400]}`)}
	var got map[string]any
	require.NoError(t, gentask.StrictJSON(msg, &got))
	require.Equal(t, map[string]any{"id": json.Number("9007199254740993"), "list": []any{json.Number("1e400")}}, got)
}

// TestAByteOrderMarkIsNoPartOfJSON, but of bytes and text.
func TestAByteOrderMarkIsNoPartOfJSON(t *testing.T) {
	for _, decode := range []func(*queue.Message, any) error{gentask.DecodeJSON, gentask.StrictJSON} {
		msg := &queue.Message{Body: []byte(mark + `{"ID":7}`)}
		var o strictOrder
		require.NoError(t, decode(msg, &o))
		require.Equal(t, 7, o.ID)
		var text string
		require.NoError(t, decode(msg, &text))
		require.Equal(t, string(msg.Body), text)
		var body []byte
		require.NoError(t, decode(msg, &body))
		require.Equal(t, msg.Body, body)
		require.Error(t, decode(&queue.Message{Body: []byte(mark + mark + `{}`)}, &o))
	}
}

// TestStrictJSONInAConsumer: null is dead-lettered, and the job never runs.
func TestStrictJSONInAConsumer(t *testing.T) {
	ran := false
	behavior := gentask.Handle(func(context.Context, strictOrder) error { ran = true; return nil })
	result := gentasktest.Run(t, behavior, queue.Message{Body: []byte("null")}, gentask.Config{Decode: gentask.StrictJSON})
	require.Equal(t, queue.DeadLetter, result.Disposition)
	require.False(t, ran)
}
