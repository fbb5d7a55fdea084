package codec

import (
	"encoding/json"
	"fmt"
	"reflect"

	"google.golang.org/protobuf/proto"

	"github.com/gentask/gentask/internal/charset"
)

// Codec turns values into bodies of a content type, and back. It must be safe for concurrent use.
type Codec interface {
	// ContentTypes returns the media types of bodies that Unmarshal takes, without parameters. The
	// first is that of Marshal. There must be at least one.
	ContentTypes() []string
	// Fits reports whether Marshal takes v.
	Fits(v any) bool
	// Marshal turns v, which fits, into a body.
	Marshal(v any) ([]byte, error)
	// Unmarshal turns body into the value that into points to. It must not change body.
	Unmarshal(body []byte, into any) error
}

// JSON returns the codec for application/json, and for types that end in +json, by encoding/json.
// Any value fits. As with gentask.DecodeJSON, a *[]byte and a *string get the body as it is, a byte
// order mark is left out, and a body with the mark of UTF-16 is read as that.
func JSON() Codec { return jsonCodec{} }

type jsonCodec struct{}

// ContentTypes returns application/json.
func (jsonCodec) ContentTypes() []string { return []string{"application/json"} }

// Fits returns true.
func (jsonCodec) Fits(any) bool { return true }

// Marshal calls json.Marshal.
func (jsonCodec) Marshal(v any) ([]byte, error) { return json.Marshal(v) }

// Unmarshal calls json.Unmarshal.
func (jsonCodec) Unmarshal(body []byte, into any) error {
	if takeRaw(body, into) {
		return nil
	}
	return json.Unmarshal(charset.UTF8(body), into)
}

// Protobuf returns the codec for application/protobuf and its older names. Values that implement
// [proto.Message] fit. A payload is a message, or a pointer to a pointer to one, which may be nil.
// A *[]byte gets the body as it is.
func Protobuf() Codec { return protobufCodec{} }

type protobufCodec struct{}

// ContentTypes returns application/protobuf and its older names.
func (protobufCodec) ContentTypes() []string {
	return []string{"application/protobuf", "application/x-protobuf", "application/vnd.google.protobuf"}
}

// Fits reports whether v is a proto.Message.
func (protobufCodec) Fits(v any) bool { _, ok := v.(proto.Message); return ok }

// Marshal calls proto.Marshal.
func (protobufCodec) Marshal(v any) ([]byte, error) {
	m, ok := v.(proto.Message)
	if !ok {
		return nil, fmt.Errorf("codec: value is a %T; want a proto.Message", v)
	}
	return proto.Marshal(m)
}

// Unmarshal calls proto.Unmarshal.
func (protobufCodec) Unmarshal(body []byte, into any) error {
	if takeRaw(body, into) {
		return nil
	}
	m, ok := message(into)
	if !ok {
		return fmt.Errorf("codec: payload is a %v; want a pointer to a proto.Message", reflect.TypeOf(into).Elem())
	}
	return proto.Unmarshal(body, m)
}

// message returns the message that into points to, and makes it if there is none.
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

// Raw returns a codec that leaves bytes as they are. A []byte and a string fit. Empty means
// application/octet-stream.
func Raw(contentType string) Codec { return raw{contentType} }

type raw struct{ contentType string }

// ContentTypes returns the one content type.
func (r raw) ContentTypes() []string {
	if r.contentType == "" {
		return []string{"application/octet-stream"}
	}
	return []string{r.contentType}
}

// Fits reports whether v is a []byte or a string.
func (raw) Fits(v any) bool {
	switch v.(type) {
	case []byte, string:
		return true
	}
	return false
}

// Marshal returns v.
func (raw) Marshal(v any) ([]byte, error) {
	switch v := v.(type) {
	case []byte:
		return v, nil
	case string:
		return []byte(v), nil
	}
	return nil, fmt.Errorf("codec: value is a %T; want a []byte or a string", v)
}

// Unmarshal sets a *[]byte or a *string to body.
func (raw) Unmarshal(body []byte, into any) error {
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
