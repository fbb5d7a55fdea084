package codec

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"

	"google.golang.org/protobuf/proto"
)

// Codec turns values into bodies of a content type, and back. It is safe for concurrent use.
type Codec interface {
	// ContentTypes are the media types of bodies that Unmarshal takes, without parameters. The first is what Marshal makes. It is never empty.
	ContentTypes() []string
	// Fits says whether v is for this codec.
	Fits(v any) bool
	// Marshal turns v, which fits, into a body.
	Marshal(v any) ([]byte, error)
	// Unmarshal turns body, which it must not change, into the value that into points to.
	Unmarshal(body []byte, into any) error
}

// JSON is encoding/json. Any value fits. As with gentask.DecodeJSON, a *[]byte and a *string get the body as it is.
type JSON struct{}

// ContentTypes is application/json. A type that ends in +json is one too.
func (JSON) ContentTypes() []string { return []string{"application/json"} }

// Fits is always true.
func (JSON) Fits(any) bool { return true }

// Marshal is json.Marshal.
func (JSON) Marshal(v any) ([]byte, error) { return json.Marshal(v) }

// Unmarshal is json.Unmarshal, but for a *[]byte and a *string, and for a byte order mark, which it
// leaves out.
func (JSON) Unmarshal(body []byte, into any) error {
	if takeRaw(body, into) {
		return nil
	}
	return json.Unmarshal(bytes.TrimPrefix(body, []byte("\xef\xbb\xbf")), into)
}

// Protobuf is protocol buffers. What implements proto.Message fits.
type Protobuf struct{}

// ContentTypes is application/protobuf and its older names.
func (Protobuf) ContentTypes() []string {
	return []string{"application/protobuf", "application/x-protobuf", "application/vnd.google.protobuf"}
}

// Fits says whether v is a proto.Message.
func (Protobuf) Fits(v any) bool { _, ok := v.(proto.Message); return ok }

// Marshal is proto.Marshal.
func (Protobuf) Marshal(v any) ([]byte, error) {
	m, ok := v.(proto.Message)
	if !ok {
		return nil, fmt.Errorf("codec: value is a %T; want a proto.Message", v)
	}
	return proto.Marshal(m)
}

// Unmarshal is proto.Unmarshal. into is a message, or points to a pointer to one, which may be nil; a *[]byte gets the body as it is.
func (Protobuf) Unmarshal(body []byte, into any) error {
	if takeRaw(body, into) {
		return nil
	}
	m, ok := message(into)
	if !ok {
		return fmt.Errorf("codec: payload is a %v; want a pointer to a proto.Message", reflect.TypeOf(into).Elem())
	}
	return proto.Unmarshal(body, m)
}

// message finds the message that into points to, or makes it.
func message(into any) (proto.Message, bool) {
	if m, ok := into.(proto.Message); ok {
		return m, true
	}
	v := reflect.ValueOf(into)
	if v.Kind() != reflect.Pointer || v.IsNil() || v.Elem().Kind() != reflect.Pointer {
		return nil, false
	}
	v = v.Elem()
	if _, ok := v.Interface().(proto.Message); !ok {
		return nil, false
	}
	if v.IsNil() {
		v.Set(reflect.New(v.Type().Elem()))
	}
	m, ok := v.Interface().(proto.Message)
	return m, ok
}

// Raw is bytes as they are. A []byte and a string fit.
type Raw struct {
	// Type is the content type. Empty means application/octet-stream.
	Type string
}

// ContentTypes is Type.
func (r Raw) ContentTypes() []string {
	if r.Type == "" {
		return []string{"application/octet-stream"}
	}
	return []string{r.Type}
}

// Fits says whether v is a []byte or a string.
func (Raw) Fits(v any) bool {
	switch v.(type) {
	case []byte, string:
		return true
	}
	return false
}

// Marshal returns v.
func (Raw) Marshal(v any) ([]byte, error) {
	switch v := v.(type) {
	case []byte:
		return v, nil
	case string:
		return []byte(v), nil
	}
	return nil, fmt.Errorf("codec: value is a %T; want a []byte or a string", v)
}

// Unmarshal gives body to a *[]byte or a *string.
func (Raw) Unmarshal(body []byte, into any) error {
	if !takeRaw(body, into) {
		return fmt.Errorf("codec: payload is a %v; want a []byte or a string", reflect.TypeOf(into).Elem())
	}
	return nil
}

func takeRaw(body []byte, into any) bool {
	switch into := into.(type) {
	case *[]byte:
		*into = body
	case *string:
		*into = string(body)
	default:
		return false
	}
	return true
}
