package codec

import (
	"encoding/binary"
	"mime"
	"strings"

	"github.com/gentask/gentask/internal/charset"
)

// recode returns a body of JSON as UTF-8, if the parameter charset of its content type names
// another one. It returns an unknownError for a charset that it does not know, because
// encoding/json would silently replace characters.
func recode(body []byte, contentType string) ([]byte, error) {
	if !strings.Contains(contentType, ";") {
		return body, nil
	}
	_, params, err := mime.ParseMediaType(contentType)
	if err != nil {
		return body, nil //nolint:nilerr // a type that is no media type has no charset
	}
	switch strings.ToLower(params["charset"]) {
	case "", "utf-8", "utf8", "us-ascii", "ascii":
		return body, nil
	case "iso-8859-1", "latin1", "latin-1":
		return charset.Latin1(body), nil
	case "utf-16le":
		return charset.UTF16(body, binary.LittleEndian), nil
	case "utf-16be", "utf-16": // as RFC 2781 has it
		return charset.UTF16(body, binary.BigEndian), nil
	}
	known := []string{"utf-8", "us-ascii", "iso-8859-1", "utf-16", "utf-16le", "utf-16be"}
	return nil, &unknownError{what: "charset", name: params["charset"], known: known}
}
