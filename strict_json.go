package gentask

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"

	"github.com/gentask/gentask/internal/charset"
	"github.com/gentask/gentask/queue"
)

// StrictJSON is a [Config.Decode] that accepts the input of [DecodeJSON], but rejects a body that
// does not match the job's type exactly:
//
//   - null, for which DecodeJSON runs the job with the zero value; a null inside is accepted
//   - a field that the type does not have, unless the type decodes itself
//   - a name that an object has twice, of which DecodeJSON takes the last
//   - anything but white space behind the value, which DecodeJSON rejects too
//   - text that is not UTF-8, which DecodeJSON replaces
//
// Numbers that go into an any become json.Number and keep every digit. DecodeJSON makes float64 of
// them, which is not exact beyond 2^53. A *[]byte and a *string get the body as it is. A producer
// that adds a field must wait until all consumers support it.
func StrictJSON(msg *queue.Message, into any) error {
	if takeBody(msg, into) {
		return nil
	}
	body := charset.UTF8(msg.Body)
	switch {
	case !utf8.Valid(body):
		return packed(msg, errors.New("gentask: payload is not UTF-8"))
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

// namesOnce returns an error if an object in body has a name twice. body must be valid.
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

// object is the state of an object whose names are being read.
type object struct {
	names map[string]bool
	value bool // a value comes next
}

// name reports whether token is a name, and not a value or the end. Names and values alternate.
func (o *object) name(token json.Token) bool {
	if token == json.Delim('}') {
		return false
	}
	o.value = !o.value
	return o.value
}

// add adds a name, and reports whether it is new.
func (o *object) add(name string) bool {
	if o.names == nil {
		o.names = map[string]bool{}
	}
	known := o.names[name]
	o.names[name] = true
	return !known
}

// takeBody stores the body in a *[]byte or *string as it is. It reports whether into is one of
// them.
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

// packed adds to the error of a body that is compressed what reads it.
func packed(msg *queue.Message, err error) error {
	encoding := msg.Headers[queue.HeaderEncoding]
	if encoding == "" && bytes.HasPrefix(msg.Body, []byte("\x1f\x8b")) {
		encoding = "gzip"
	}
	if err == nil || encoding == "" {
		return err
	}
	return fmt.Errorf("gentask: payload has the content encoding %q, which Config.Decode must undo, as that of a "+
		"codec.Set does: %w", encoding, err)
}
