package gentask

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"

	"github.com/gentask/gentask/queue"
)

// StrictJSON is a [Config.Decode] that takes what [DecodeJSON] takes, but refuses a body that is not
// exactly what a job of that type can mean:
//
//   - null, for which DecodeJSON runs the job with the zero value; a null inside is taken
//   - a field that the type does not have, unless the type decodes itself
//   - a name that an object has twice, of which DecodeJSON takes the last
//   - anything but white space behind the value, which DecodeJSON refuses too
//   - text that is not UTF-8, which DecodeJSON replaces
//
// Numbers that go into an any are json.Number and keep every digit, where DecodeJSON makes float64 of
// them, which is not exact beyond 2^53. A *[]byte and a *string get the body as it is. A producer that
// adds a field must wait until all consumers know it.
func StrictJSON(msg *queue.Message, into any) error {
	if takeBody(msg, into) {
		return nil
	}
	body := withoutMark(msg.Body)
	switch {
	case !utf8.Valid(body):
		return errors.New("gentask: payload is not UTF-8")
	case string(bytes.Trim(body, " \t\r\n")) == "null":
		return errors.New("gentask: payload is null, want a value")
	}
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.DisallowUnknownFields()
	decoder.UseNumber()
	if err := decoder.Decode(into); err != nil {
		return err
	}
	if _, err := decoder.Token(); err != io.EOF {
		return errors.New("gentask: payload goes on behind its value, want one value")
	}
	return namesOnce(body)
}

// namesOnce returns an error if an object in body, which is valid, has a name twice.
func namesOnce(body []byte) error {
	decoder := json.NewDecoder(bytes.NewReader(body))
	var open []*object // the outer ones; nil for an array
	for {
		token, err := decoder.Token()
		if err != nil {
			return nil //nolint:nilerr // the end: the body was decoded before
		}
		inner := (*object)(nil)
		if len(open) > 0 {
			inner = open[len(open)-1]
		}
		if inner != nil && inner.name(token) {
			if name, _ := token.(string); !inner.add(name) {
				return fmt.Errorf("gentask: payload has the name %.100q twice in one object", name)
			}
			continue
		}
		switch token {
		case json.Delim('{'):
			open = append(open, &object{})
		case json.Delim('['):
			open = append(open, nil)
		case json.Delim('}'), json.Delim(']'):
			open = open[:len(open)-1]
		}
	}
}

// object is one whose names are read.
type object struct {
	names map[string]bool
	value bool // comes next
}

// name reports whether token is a name, and not a value or the end. Names and values take turns.
func (o *object) name(token json.Token) bool {
	if token == json.Delim('}') {
		return false
	}
	o.value = !o.value
	return o.value
}

// add reports whether name is new.
func (o *object) add(name string) bool {
	if o.names == nil {
		o.names = map[string]bool{}
	}
	known := o.names[name]
	o.names[name] = true
	return !known
}

// takeBody gives a *[]byte and a *string the body as it is, and reports whether into is one.
func takeBody(msg *queue.Message, into any) bool {
	switch into := into.(type) {
	case *[]byte:
		*into = msg.Body
	case *string:
		*into = string(msg.Body)
	default:
		return false
	}
	return true
}

// withoutMark returns body without the byte order mark that some programs write before JSON.
func withoutMark(body []byte) []byte { return bytes.TrimPrefix(body, []byte("\xef\xbb\xbf")) }
